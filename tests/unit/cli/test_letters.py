"""`kubectl slotwright dead-letters`: what is asked of the operator's pod, and how its answers are shown.

The operator's command itself is tested on a real Kafka, by tests/integration/servicekit/test_redrive.py.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kubectl_slotwright.app import cli
from kubectl_slotwright.errors import PluginError
from kubectl_slotwright.kubectl import Kubectl, failure

Run = Callable[..., Result]

LETTER = {
    "id": "analytics/0/17",
    "consumer": "analytics.figures",
    "topic": "booking.appointment.v1",
    "eventId": "0195b3a0-0000-7000-8000-00000000000e",
    "type": "booking.appointment.booked.v1",
    "tenantId": "0195b3a0-0000-7000-8000-000000000001",
    "tenant": "riverside",
    "time": "2026-03-09T10:00:00+00:00",
    "error": "MalformedEventError",
    "redriven": None,
}
SHOWN = LETTER | {
    "partition": 2,
    "offset": 55,
    "key": "t/a",
    "failure": "MalformedEventError: event 1: version: Field required",
    "headers": {"ce_id": "1", "ce_type": "booking.appointment.booked.v1"},
    "size": 5,
}


@pytest.fixture
def asked() -> list[tuple[str, ...]]:
    return []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, ...]]) -> Run:
    """The operator gives the answer that the test names; what it was asked is written down."""

    def invoke(answer: Any, *arguments: str) -> Result:
        def in_operator(_kubectl: Kubectl, *command: str) -> str:
            asked.append(command)
            if isinstance(answer, PluginError):
                raise answer
            return answer if isinstance(answer, str) else json.dumps(answer)

        monkeypatch.setattr(Kubectl, "in_operator", in_operator)
        return CliRunner().invoke(cli, ("dead-letters", *arguments), prog_name="kubectl slotwright")

    return invoke


def test_the_list_names_them_and_the_filters_go_along(run: Run, asked: list[tuple[str, ...]]) -> None:
    result = run({"letters": [LETTER]}, "list", "--consumer", "analytics", "--tenant", "riverside", "--all")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == [
        "analytics/0/17",
        "2026-03-09T10:00:00Z",
        "analytics.figures",
        "booking.appointment.booked.v1",
        "riverside",
        "MalformedEventError",
        "-",
    ]
    (command,) = asked
    assert command[:5] == ("python", "-m", "tenant_operator", "dead-letters", "list")
    assert command[5:] == ("--consumer=analytics", "--tenant=riverside", "--all", "--output=json")
    assert json.loads(run({"letters": [LETTER]}, "list", "-o", "json").stdout) == {"letters": [LETTER]}
    assert run({"letters": []}, "list").stdout == "There are no dead letters.\n"


def test_what_is_behind_the_limit_is_counted(run: Run, asked: list[tuple[str, ...]]) -> None:
    result = run({"letters": [LETTER], "more": 7}, "list", "--limit", "1")
    assert asked[-1][5:] == ("--limit=1", "--output=json")
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "7 more are not shown; give a larger --limit, or --consumer or --tenant.\n"
    as_json = json.loads(run({"letters": [LETTER], "more": 7}, "list", "-o", "json").stdout)
    assert as_json["more"] == 7
    assert asked[-1][5:] == ("--output=json",)


@pytest.mark.parametrize("end", ["]}\n", "", ',{"id": "analytics/0/18", "res'])
def test_what_was_put_back_before_a_re_drive_broke_off_is_shown(run: Run, end: str) -> None:
    """Kafka went away, and the operator says so; or the connection to its pod did."""
    done = {"id": "analytics/0/17", "result": "redriven", "reason": "It is on booking.appointment.v1 again."}
    broken = PluginError("Kafka is away. 12 letters have not been put back.")
    broken.printed = f'{{"letters": [{json.dumps(done)}\n{end}'
    result = run(broken, "redrive", "--all")
    assert result.exit_code == 1
    assert result.stdout == "analytics/0/17  redriven  It is on booking.appointment.v1 again.\n"
    assert result.stderr == "Kafka is away. 12 letters have not been put back.\n"


def test_a_letter_is_shown_without_its_bytes_and_with_them(run: Run, asked: list[tuple[str, ...]]) -> None:
    shown = run(SHOWN, "show", "analytics/0/17").stdout
    assert "version: Field required" in shown
    assert "booking.appointment.v1, partition 2, offset 55" in shown
    assert "Data" not in shown
    assert "--data" not in asked[-1]
    data = base64.b64encode(b'{"a": 1}\x1b[2J\n\xff').decode()
    with_data = run(SHOWN | {"data": data}, "show", "analytics/0/17", "--data").stdout
    assert with_data.splitlines()[-3:] == ["Data", '{"a": 1} [2J', "\\xff"]
    assert "--data" in asked[-1]
    tombstone, erased = (SHOWN | {"data": None, "size": size} for size in (0, 5))
    assert "tombstone" in run(tombstone, "show", "analytics/0/17", "--data").stdout
    told = run(erased, "show", "analytics/0/17", "--data").stdout
    assert told.splitlines()[-1] == "none: its topic has a newer record of the key, or none any more"


def test_what_was_put_back_and_what_was_not(run: Run, asked: list[tuple[str, ...]]) -> None:
    done = {"id": "analytics/0/17", "result": "redriven", "reason": "It is on booking.appointment.v1 again."}
    left = {"id": "analytics/0/18", "result": "superseded", "reason": "The topic has a newer record."}
    result = run({"letters": [done]}, "redrive", "analytics/0/17")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "analytics/0/17  redriven  It is on booking.appointment.v1 again.\n"
    assert asked[-1][5:] == ("analytics/0/17", "--output=json")
    result = run({"letters": [done, left]}, "redrive", "--all", "--dry-run")
    assert result.exit_code == 1
    assert result.stderr == "1 of 2 have not been put back: analytics/0/18.\n"
    assert "--dry-run" in asked[-1]


@pytest.mark.parametrize(
    "arguments",
    [("redrive",), ("redrive", "a/0/1", "--all"), ("redrive", "--all", "--tenant", "x"), ("show",)],
)
def test_it_has_to_be_said_which(run: Run, asked: list[tuple[str, ...]], arguments: tuple[str, ...]) -> None:
    assert run({"letters": []}, *arguments).exit_code == 2
    assert asked == []


def test_what_the_operator_cannot_do_is_told_in_its_own_words(run: Run) -> None:
    result = run(PluginError("There is no dead letter a/0/1."), "show", "a/0/1")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "There is no dead letter a/0/1.\n")
    assert "no JSON" in run("Defaulted container", "list").stderr


def test_an_operator_without_the_command_is_told_from_a_failure() -> None:
    said = (
        "usage: tenant_operator [-h] {run} ...\n"
        "tenant_operator: error: argument {run}: invalid choice: 'dead-letters' (choose from 'run')\n"
        "command terminated with exit code 2\n"
    )
    assert failure("exec", said).message == (
        "The operator in the cluster is of a release without this command; upgrade it."
    )
