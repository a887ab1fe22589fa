"""pause, resume and erase where the operator does not do what is waited for: what is said, and the exit code.

That it does is shown on a real API server with the real operator, by tests/operator/test_plugin.py.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial, partialmethod
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kubectl_slotwright import changes
from kubectl_slotwright.app import cli
from kubectl_slotwright.errors import NotFoundError, PluginError
from kubectl_slotwright.kubectl import Kubectl
from kubectl_slotwright.waiting import until
from unit.cli.surroundings import UID, body, condition, provisioned

Run = Callable[..., Result]
GONE = NotFoundError("There is no tenant named riverside.")
AWAY = PluginError("The API server cannot be reached.")
ERASED = {
    "metadata": {"annotations": {"slotwright.io/rows": '{"booking": {"appointment": 3}}'}},
    "eventTime": "2026-03-09T10:01:00.000000Z",
    "reason": "Erased",
    "note": "Everything of it is erased.",
}
ABANDONED = {
    "metadata": {},
    "eventTime": "2026-03-09T10:01:00.000000Z",
    "reason": "Abandoned",
    "note": "Not confirmed deleted: booking.",
}


class Cluster:
    """Gives a tenant's successive states, the last one for ever; writes down what is changed."""

    def __init__(
        self, states: Iterable[dict[str, Any] | PluginError], events: Iterable[dict[str, Any]] = ()
    ) -> None:
        self.states = list(states)
        self.seen = body()
        self.told = list(events)
        self.gone = False
        self.forbidden = False
        """Whether Events may not be read."""
        self.away = 0
        """How often, once the tenant is gone, Events cannot be read."""
        self.changes: list[Any] = []
        self.patience: list[str | None] = []
        """How long each look at the tenant might have taken."""

    def tenant(self, _name: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, PluginError):
            self.gone = state is GONE
            raise state
        self.seen = state
        return state

    def events(self, uid: str) -> list[dict[str, Any]]:
        if self.forbidden:
            raise PluginError("You may not do that.")
        if self.gone and self.away:
            self.away -= 1
            raise PluginError("The API server cannot be reached.")
        return self.told if uid == UID else []

    def patch(self, _name: str, change: dict[str, Any]) -> dict[str, Any]:
        self.changes.append(change)
        return self.seen

    def delete(self, name: str) -> None:
        self.changes.append(f"delete {name}")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command against a Cluster; time passes as it waits, and only then."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(changes, "until", partial(until, monotonic=lambda: now, sleep=sleep))

    def invoke(cluster: Cluster, *arguments: str, typed: str | None = None) -> Result:
        def tenant(kubectl: Kubectl, name: str) -> dict[str, Any]:
            cluster.patience.append(kubectl.patience)
            return cluster.tenant(name)

        monkeypatch.setattr(Kubectl, "tenant", tenant)
        for name in ("events", "patch", "delete"):
            monkeypatch.setattr(Kubectl, name, partialmethod(_passed_on, getattr(cluster, name)))
        monkeypatch.setattr(changes, "_at_a_terminal", lambda: typed is not None)
        return CliRunner().invoke(cli, arguments, prog_name="kubectl slotwright", input=typed)

    return invoke


def _passed_on(_kubectl: Kubectl, call: Callable[..., Any], *given: Any) -> Any:
    return call(*given)


def saying(reason: str, message: str) -> dict[str, Any]:
    found = body(status=provisioned(conditions=[condition("Ready", "False", reason, message)]))
    found["metadata"]["deletionTimestamp"] = "2026-03-09T10:00:00Z"
    return found


def test_an_operator_that_does_not_say_paused_is_named_with_where_to_look(run: Run) -> None:
    cluster = Cluster([body()])
    result = run(cluster, "pause", "riverside", "--timeout", "5s", "-n", "apart")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "within 5 s the operator has not said that it is paused" in result.stderr
    assert "kubectl --namespace apart logs --selector app.kubernetes.io/part-of=slotwright," in result.stderr
    assert cluster.changes == [{"metadata": {"annotations": {"slotwright.io/paused": "true"}}}]


def test_pausing_waits_for_an_api_server_that_is_away_for_a_moment(run: Run) -> None:
    paused = body(status=provisioned(conditions=[condition("Ready", "True", "Paused", "Stopped.")]))
    result = run(Cluster([AWAY, AWAY, paused]), "pause", "riverside")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "riverside is paused: Ready is True, Paused.\n"


def test_what_cannot_be_read_to_the_end_is_told_as_that(run: Run) -> None:
    result = run(Cluster([body(), AWAY]), "pause", "riverside", "--timeout", "5s")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "riverside has been told, but whether it is paused cannot be read. The API server cannot be reached.\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [("pause", "riverside", "--timeout", "5s"), ("erase", "riverside", "--yes", "--timeout", "5s")],
)
def test_no_look_waits_without_an_end(run: Run, arguments: tuple[str, ...]) -> None:
    cluster = Cluster([body()])
    assert run(cluster, *arguments).exit_code == 1
    # The first of them is no look: erase asks what it is to erase.
    assert set(cluster.patience[1:]) == {"10s"}


def test_without_waiting_nothing_is_confirmed(run: Run) -> None:
    cluster = Cluster([])
    result = run(cluster, "resume", "riverside", "--no-wait", "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["confirmed"] is False
    assert cluster.changes == [{"metadata": {"annotations": {"slotwright.io/paused": None}}}]


def test_an_overdue_deletion_says_who_is_missing_and_what_can_be_done(run: Run) -> None:
    waits = "Deletion waits for scheduler. Mend it, or let the object go."
    cluster = Cluster(
        [body(), saying("Deleting", "Deletion waits for auth; scheduler."), saying("DeletionOverdue", waits)]
    )
    result = run(cluster, "erase", "riverside", "--yes", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "tenant": "riverside",
        "tenantId": UID,
        "outcome": "Overdue",
        "time": None,
        "message": waits,
        "rows": {},
        "total": 0,
    }
    told = result.stderr.splitlines()
    assert told[0] == "Deletion waits for auth; scheduler."
    assert waits in told[-1]
    assert "kubectl annotate tenant riverside slotwright.io/abandon=true" in told[-1]


def test_a_deletion_that_takes_longer_than_the_timeout_goes_on(run: Run) -> None:
    cluster = Cluster([body(), saying("Deleting", "Deletion waits for scheduler.")])
    result = run(cluster, "erase", "riverside", "--yes", "--timeout", "30s")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[0] == "Deletion waits for scheduler."
    assert "is not gone after 30 s. The deletion goes on" in result.stderr


def test_a_deletion_that_was_overdue_already_is_waited_for_and_its_receipt_shown(run: Run) -> None:
    """The component is mended, and the command run again."""
    overdue = saying("DeletionOverdue", "Deletion waits for scheduler. Mend it.")
    result = run(Cluster([overdue, overdue, overdue, GONE], [ERASED]), "erase", "riverside", "--yes")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines() == ["Deletion waits for scheduler. Mend it."]
    assert "appointment     3" in result.stdout


def test_a_deletion_that_stays_overdue_is_waited_for_until_the_timeout(run: Run) -> None:
    overdue = saying("DeletionOverdue", "Deletion waits for scheduler. Mend it.")
    cluster = Cluster([overdue])
    result = run(cluster, "erase", "riverside", "--yes", "--timeout", "20s", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["outcome"]) == (1, "Overdue")
    assert "is overdue" in result.stderr


def test_what_is_being_deleted_already_is_only_waited_for(run: Run) -> None:
    cluster = Cluster([saying("Deleting", "Deletion waits for auth."), GONE], [ERASED])
    result = run(cluster, "erase", "riverside", "--yes")
    assert result.exit_code == 0
    assert cluster.changes == [{"metadata": {"uid": UID}, "spec": {"deletionPolicy": "Delete"}}]
    assert "appointment     3" in result.stdout


def test_an_end_without_a_receipt_is_no_success(run: Run) -> None:
    result = run(Cluster([body(), GONE]), "erase", "riverside", "--yes", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["outcome"] == "NoReceipt"
    assert f"tenant id {UID}" in result.stderr


def test_what_no_service_was_told_of_leaves_no_receipt(run: Run) -> None:
    """A tenant whose plan was missing, say."""
    never = body(status=provisioned(recordGeneration=None))
    result = run(Cluster([never, GONE]), "erase", "riverside", "--yes", "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["outcome"] == "Erased"


@pytest.mark.parametrize("receipt", [ABANDONED, None], ids=["abandoned", "no receipt"])
def test_services_that_are_told_after_the_first_look_count(run: Run, receipt: dict[str, Any] | None) -> None:
    """Somebody takes their time to type the name, and customers book meanwhile."""
    never = body(status=provisioned(recordGeneration=None))
    waits = saying("Deleting", "Deletion waits for booking.")
    cluster = Cluster([never, waits, GONE], [receipt] if receipt else [])
    result = run(cluster, "erase", "riverside", "-o", "json", typed="riverside\n")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["outcome"] == ("Abandoned" if receipt else "NoReceipt")


def test_a_receipt_counts_though_no_record_was_ever_seen(run: Run) -> None:
    never = body(status=provisioned(recordGeneration=None))
    result = run(Cluster([never, GONE], [ERASED]), "erase", "riverside", "--yes", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["total"]) == (0, 3)


def test_who_may_not_read_the_receipt_erases_nothing(run: Run) -> None:
    cluster = Cluster([body()])
    cluster.forbidden = True
    result = run(cluster, "erase", "riverside", "--yes")
    assert (result.exit_code, cluster.changes) == (1, [])
    assert result.stderr == (
        "Nothing has been done to riverside, as its receipt could not be read. You may not do that.\n"
    )


def test_a_receipt_is_asked_for_again_when_the_api_server_is_away(run: Run) -> None:
    cluster = Cluster([body(), GONE], [ERASED])
    cluster.away = 2
    result = run(cluster, "erase", "riverside", "--yes", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["total"]) == (0, 3)


def test_a_receipt_that_cannot_be_read_is_no_success(run: Run) -> None:
    cluster = Cluster([body(), GONE], [ERASED])
    cluster.away = 1000
    result = run(cluster, "erase", "riverside", "--yes")
    assert result.exit_code == 1
    assert "its receipt cannot be read. The API server cannot be reached." in result.stderr


def test_whatever_the_operator_says_meanwhile_is_told_once(run: Run) -> None:
    kafka = saying("KafkaUnavailable", "Kafka is away. Tried again shortly.")
    waits = saying("Deleting", "Deletion waits for auth.")
    before = saying("Provisioned", "Every component serves this business.")
    result = run(
        Cluster([body(), before, waits, waits, kafka, kafka, waits, GONE]), "erase", "riverside", "--yes"
    )
    assert result.stderr.splitlines()[:-1] == [
        "Deletion waits for auth.",
        "Kafka is away. Tried again shortly.",
        "Deletion waits for auth.",
    ]


def test_an_api_server_that_is_away_for_a_moment_is_waited_for(run: Run) -> None:
    away = PluginError("The API server cannot be reached.")
    result = run(Cluster([body(), away, away, saying("Deleting", "Deletion waits for auth."), GONE]), "erase",
                 "riverside", "--yes")  # fmt: skip
    assert result.stderr.splitlines()[:-1] == [
        "The API server cannot be reached.",
        "Deletion waits for auth.",
    ]


def test_another_tenant_that_has_got_the_name_is_not_waited_for(run: Run) -> None:
    other = body()
    other["metadata"]["uid"] = "another"
    result = run(Cluster([body(), other]), "erase", "riverside", "--yes")
    assert "is gone, but the operator has left no receipt" in result.stderr


def test_a_paused_tenant_is_not_erased(run: Run) -> None:
    paused = body()
    paused["metadata"]["annotations"] = {"slotwright.io/paused": "true"}
    cluster = Cluster([paused])
    result = run(cluster, "erase", "riverside", "--yes")
    assert result.exit_code == 1
    assert "kubectl slotwright resume riverside" in result.stderr
    assert cluster.changes == []


@pytest.mark.parametrize("typed", ["riversid\n", "\n", "yes\n", ""])
def test_another_name_than_the_tenants_does_nothing(run: Run, typed: str) -> None:
    cluster = Cluster([body()])
    result = run(cluster, "erase", "riverside", typed=typed)
    assert result.exit_code == 1
    assert "Riverside Barbers" in result.stderr
    assert cluster.changes == []
    assert "Traceback" not in result.output


def test_the_name_typed_goes_on(run: Run) -> None:
    cluster = Cluster([body(), GONE])
    run(cluster, "erase", "riverside", typed="riverside\n")
    assert cluster.changes[-1] == "delete riverside"
