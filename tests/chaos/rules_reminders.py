"""Rules about reminders and the policy that they are asked for by. Standard library only; see checker.py.

A reminder is of one version of an appointment and one rule of its business's policy, which may change meanwhile. A
version is made under the policy that there is then; some time behind a change all that stands has followed it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from chaos.catalog import Row, State
from chaos.evidence import Event, Evidence, Violation
from chaos.makings import makings_of
from chaos.operations import FOREVER, seconds
from chaos.rules_events import status_after

_ONCE, _POLICY = "a reminder is asked for once", "a changed policy is followed"
_DUE, _WITHDRAWN = "a reminder comes due at its time", "what is withdrawn does not come due"
_OF_A_REQUEST = ("appointment_id", "appointment_version", "rule_id", "channel", "due_at", "starts_at")
"""What a reminder that comes due repeats."""
_ASKS = frozenset({"booked", "confirmed", "rescheduled"})
"""Events behind which a confirmed appointment wants its reminders."""
LATE_SECONDS = 120.0
"""No outage of a run lasts longer: so long may what came due or was withdrawn be on its way while faults go on."""

_JUST_NOW_SECONDS = 5.0
"""What came due so shortly before all was healed may have been fired by clocks that had been put forward."""


@dataclass(eq=False)
class Stood:
    """A version of an appointment that was confirmed, and what was asked for it.

    `since` and `ends` (None where no later version came) are by booking's clock. It was made between `began` and
    `ended`, and the later one between `over_began` and `over_ended`, seconds of the run.
    """

    tenant: str
    appointment_id: str
    version: int
    starts: float
    since: float
    ends: float | None
    began: float
    ended: float
    over_began: float
    over_ended: float
    asked: dict[str, list["Asked"]] = field(default_factory=lambda: defaultdict(list))
    """By rule."""

    def __str__(self) -> str:
        return f"version {self.version} of {self.appointment_id}"

    def is_over(self, due: float) -> bool:
        """Whether the later version came before a reminder's time."""
        return self.ends is not None and due > self.ends


@dataclass(eq=False)
class Asked:
    """A reminder that was asked for, at `at` by booking's clock, and withdrawn at `withdrawn`, if it was."""

    event: Event
    stood: Stood | None
    withdrawn: float | None

    @property
    def id(self) -> str:
        return str(self.event.data["reminder_id"])

    @property
    def at(self) -> float:
        return seconds(self.event.time)

    @property
    def due(self) -> float:
        return seconds(self.event.data["due_at"])

    def __str__(self) -> str:
        return (
            f"the reminder {self.id} of rule {self.event.data['rule_id']} for {self.stood}, due at {self.due}"
        )


class Reminders:
    """All of one run's, with the policies that there were."""

    def __init__(self, run: Evidence) -> None:
        self._run = run
        self.policies: dict[str, list[State]] = {
            tenant: run.catalog.possible(_policy(tenant), -FOREVER, FOREVER) for tenant in run.tenants
        }
        self.rules: dict[str, tuple[float, str]] = {
            rule_id: rule
            for states in self.policies.values()
            for state in states
            for rule_id, rule in _rules(state).items()
        }
        """(seconds before the start, channel) by id."""
        self._versions = {
            tenant: {state.version: state for state in states} for tenant, states in self.policies.items()
        }
        self.gone = {
            (tenant, state.version): gone
            for tenant, states in self.policies.items()
            for state, gone in _gone(states)
        }
        """The rules that were there before a version of a policy, and are not any more."""
        self.stood: dict[tuple[str, int], Stood] = {
            (item.appointment_id, item.version): item for item in self._stood()
        }
        self.withdrawn: dict[str, Event] = {}
        requests: dict[str, Event] = {}
        for event in run.events("booking.reminder.v1"):
            known = self.withdrawn if event.kind == "withdrawn" else requests
            known.setdefault(event.data["reminder_id"], event)
        self.asked: dict[str, Asked] = {}
        for reminder_id, event in requests.items():
            stood = self.stood.get((event.data["appointment_id"], event.data["appointment_version"]))
            over = self.withdrawn.get(reminder_id)
            self.asked[reminder_id] = found = Asked(event, stood, seconds(over.time) if over else None)
            if stood is not None:
                stood.asked[event.data["rule_id"]].append(found)

    def _stood(self) -> Iterator[Stood]:
        run, makings = self._run, makings_of(self._run)
        for appointment_id, events in run.appointment_events().items():
            if appointment_id not in run.appointments:
                continue
            status = None
            for event, following in pairwise([*events, None]):
                assert event is not None
                status = status_after(status, event)
                if status != "confirmed" or event.kind not in _ASKS:
                    continue
                over = makings.bounds(appointment_id, following) if following else (FOREVER, FOREVER)
                yield Stood(
                    event.tenant,
                    appointment_id,
                    event.data["version"],
                    seconds(event.data["starts_at"]),
                    seconds(event.data["occurred_at"]),
                    seconds(following.data["occurred_at"]) if following else None,
                    *makings.bounds(appointment_id, event),
                    *over,
                )

    def at_its_making(self, stood: Stood) -> list[State]:
        """The policies that may have been there then; a version is made under one of them."""
        return self._run.catalog.possible(_policy(stood.tenant), stood.began, stood.ended)

    def meanwhile(self, stood: Stood) -> list[State]:
        """The policies that may have been there while it stood."""
        return self._run.catalog.possible(_policy(stood.tenant), stood.began, stood.over_ended)

    def followed(self, stood: Stood) -> Iterator[tuple[float, State]]:
        """Moments, by the true time, at which it surely stood and surely followed a policy, and nothing before."""
        for sighting in self._run.followed[stood.tenant]:
            since = sighting["since"]
            if stood.ended <= since <= min(stood.over_began, sighting["until"]):
                yield self._run.setup["epoch"] + since, self._versions[stood.tenant][sighting["version"]]


@lru_cache(maxsize=1)
def reminders_of(run: Evidence) -> Reminders:
    """For every rule the same."""
    return Reminders(run)


def _policy(tenant: str) -> str:
    return f"{tenant}/policy"


def _rules(state: State) -> dict[str, tuple[float, str]]:
    """By id; where nobody can tell them, none."""
    values = state.values or {"ids": [], "rules": []}
    return {rule_id: (rule[0], rule[1]) for rule_id, rule in zip(values["ids"], values["rules"], strict=True)}


def _gone(states: list[State]) -> Iterator[tuple[State, set[str]]]:
    """With each state the rules that were there before, and are not any more."""
    before: set[str] = set()
    for state in states:
        now = set(_rules(state))
        yield state, before - now
        before |= now


def reminders_are_asked_for_once(run: Evidence) -> Iterator[Violation]:
    """Of each confirmed version by the policy that there was, for its time; withdrawn when that version is over."""
    reminders, slack = reminders_of(run), run.setup["clock_slack"]
    for asked in reminders.asked.values():
        stood = asked.stood
        if stood is None:
            yield Violation(_ONCE, f"{asked.event} was not wanted")
            continue
        if asked.due <= stood.since - slack:
            yield Violation(_ONCE, f"{asked} was over when the version came, at {stood.since}")
        yield from _by_a_rule(run, asked, stood)
        if asked.withdrawn is None and stood.is_over(asked.due - slack):
            yield Violation(_ONCE, f"{asked} was not withdrawn at {stood.ends}")
        if asked.withdrawn is not None and not stood.is_over(asked.due):
            rule_id = asked.event.data["rule_id"]
            gone = (reminders.gone[stood.tenant, state.version] for state in reminders.meanwhile(stood))
            if rule_id in reminders.rules and not any(rule_id in rules for rules in gone):
                says = f"{asked} was withdrawn; its rule stayed, and the next version came at {stood.ends}"
                yield Violation(_ONCE, says)
    for reminder_id in reminders.withdrawn.keys() - reminders.asked.keys():
        yield Violation(_ONCE, f"{reminder_id} was withdrawn and never asked for")
    for stood in reminders.stood.values():
        for rule_id, asked_for in stood.asked.items():
            if len(asked_for) > 1:
                yield Violation(_ONCE, f"{len(asked_for)} times for {stood} by rule {rule_id}")
        for rule_id in _surely(reminders.at_its_making(stood)):
            offset, _ = reminders.rules[rule_id]
            if stood.starts - offset > stood.since and rule_id not in stood.asked:
                yield Violation(_ONCE, f"by rule {rule_id} one was wanted for {stood}, and not asked for")


def _surely(states: list[State]) -> set[str]:
    """The rules that were there, whichever of the states it was."""
    return set.intersection(*(set(_rules(state)) for state in states)) if states else set()


def _by_a_rule(run: Evidence, asked: Asked, stood: Stood) -> Iterator[Violation]:
    """The rule was there while the version stood, and is kept to; what nobody can tell is counted as excused."""
    reminders, data = reminders_of(run), asked.event.data
    meanwhile = reminders.meanwhile(stood)
    if not any(data["rule_id"] in _rules(state) for state in meanwhile):
        if all(state.values is not None for state in meanwhile):
            yield Violation(_POLICY, f"{asked} was not wanted: the policy was {meanwhile}")
        return
    offset, channel = reminders.rules[data["rule_id"]]
    if (asked.due, data["channel"]) != (stood.starts - offset, channel):
        says = f"{asked}, by {data['channel']}, is of the rule {offset} s before by {channel}"
        yield Violation(_ONCE, says)


def policies_are_followed(run: Evidence) -> Iterator[Violation]:
    """Behind a change all that stands has the reminders of the new policy, and no other that is still to come.

    A rule that stays keeps its id, so that nothing of it is asked for again; one that comes back is a new one.
    """
    reminders, slack = reminders_of(run), run.setup["clock_slack"]
    for stood in reminders.stood.values():
        for at, state in reminders.followed(stood):
            if state.values is None:
                continue
            rules = _rules(state)
            for rule_id, (offset, _) in rules.items():
                if stood.starts - offset > at + slack and rule_id not in stood.asked:
                    yield Violation(_POLICY, f"at {at} {stood} followed {state}, and lacked {rule_id}")
            for rule_id in stood.asked.keys() & reminders.gone[stood.tenant, state.version]:
                for asked in stood.asked[rule_id]:
                    if asked.due > at + slack and asked.withdrawn is None:
                        yield Violation(
                            _POLICY, f"at {at} {stood} followed {state}, and {asked} was not withdrawn"
                        )
    for tenant, states in reminders.policies.items():
        yield from _keeps_its_ids(tenant, states)


def _keeps_its_ids(tenant: str, states: list[State]) -> Iterator[Violation]:
    for (before, gone), (after, _) in pairwise(_gone(states)):
        if before.values is None or after.values is None:
            continue
        was, now = _rules(before), _rules(after)
        same = {rule: rule_id for rule_id, rule in was.items()}
        for rule_id, rule in now.items():
            if same.get(rule, rule_id) != rule_id or was.get(rule_id, rule) != rule or rule_id in gone:
                yield Violation(_POLICY, f"of {tenant} {before} has become {after}: {rule_id} is not {rule}")


def reminders_come_due_at_their_time(run: Evidence) -> Iterator[Violation]:
    """Not before it, nor once the appointment has begun, nor much later, and as what was asked for.

    The scheduler says by its own clock when it was. However that jumps, it decides by it, too; and it was never
    further ahead than at the end. Of what came due before all was healed it knew soon.
    """
    reminders, slack = reminders_of(run), run.setup["clock_slack"]
    last = run.marks["quiet"]["clock"] if "quiet" in run.marks else FOREVER
    healed = run.marks["healed"]["clock"] if "healed" in run.marks else -FOREVER
    for event in run.events("scheduler.reminder.v1"):
        asked = reminders.asked.get(event.data["reminder_id"])
        if asked is None:
            yield Violation(_DUE, f"nobody has asked for {event}")
        elif any(event.data[name] != asked.event.data[name] for name in _OF_A_REQUEST):
            yield Violation(_DUE, f"{event} was asked for as {asked.event}")
        else:
            due, fired, starts = (seconds(event.data[name]) for name in ("due_at", "fired_at", "starts_at"))
            late = fired - max(due, asked.at)
            if not due <= fired < starts or fired > last:
                yield Violation(
                    _DUE, f"{event} came {fired - due} s behind its time, by {last} at the latest"
                )
            elif due < healed - slack - _JUST_NOW_SECONDS and late > LATE_SECONDS + slack:
                yield Violation(_DUE, f"{event} came {late} s late, while nobody waited so long")


def withdrawn_does_not_come_due(run: Evidence) -> Iterator[Violation]:
    """A rule that is taken out in time reminds nobody, nor does a version that is over.

    In flight was for LATE_SECONDS what was withdrawn while faults went on; when all was healed and quiet, nothing.
    """
    for asked in _fired_though_withdrawn(run):
        if not _in_flight(run, asked):
            says = f"{asked}, was withdrawn at {asked.withdrawn}, and came due"
            yield Violation(_WITHDRAWN, says)


def _fired_though_withdrawn(run: Evidence) -> list[Asked]:
    fired = {event.data["reminder_id"] for event in run.events("scheduler.reminder.v1")}
    every = reminders_of(run).asked
    return [asked for key, asked in every.items() if key in fired and asked.withdrawn is not None]


def _in_flight(run: Evidence, asked: Asked) -> bool:
    slack, withdrawn = run.setup["clock_slack"], asked.withdrawn
    assert withdrawn is not None
    healed = run.marks["healed"]["clock"] if "healed" in run.marks else FOREVER
    return asked.due <= withdrawn + LATE_SECONDS + slack and not withdrawn < healed < asked.due


def judged(run: Evidence) -> Row:
    """How many could be told how surely, so that nobody takes what is excused for what was looked at."""
    reminders = reminders_of(run)
    fired = {event.data["reminder_id"] for event in run.events("scheduler.reminder.v1")}
    asked = [item for item in reminders.asked.values() if item.stood is not None]
    at_making = [reminders.at_its_making(stood) for stood in reminders.stood.values()]
    followed = [sum(1 for _ in reminders.followed(stood)) for stood in reminders.stood.values()]
    counts = Counter(
        {
            "versions made under the only policy there was": sum(len(states) == 1 for states in at_making),
            "under one of several": sum(len(states) > 1 for states in at_making),
            "that surely followed a change": sum(bool(times) for times in followed),
            "reminders asked for": len(asked),
            "withdrawn": sum(item.withdrawn is not None for item in asked),
            "withdrawn by a policy": sum(
                event.data["reason"] == "policy-changed" for event in reminders.withdrawn.values()
            ),
            "come due": len(fired),
            "come due in flight, excused": sum(
                _in_flight(run, item) for item in _fired_though_withdrawn(run)
            ),
            "asked for by a rule nobody can tell, excused": sum(
                item.event.data["rule_id"] not in reminders.rules for item in asked
            ),
        }
    )
    return dict(counts)
