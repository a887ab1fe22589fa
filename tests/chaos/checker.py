"""Decides whether a chaos run has kept what the platform promises.

It shares no code with the services, their libraries or the workload: a mistake in them cannot hide itself here. A
test holds its imports to the standard library. `python -m chaos.checker ../build/chaos/6/run`, in tests/, judges a
run again.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos import (
    rules_bookings,
    rules_catalog,
    rules_events,
    rules_holds,
    rules_messages,
    rules_reminders,
    rules_series,
    rules_waitlist,
)
from chaos.catalog import Row
from chaos.evidence import Evidence, Violation

Rule = Callable[[Evidence], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    rules_bookings.acknowledged_is_there_and_refused_is_not,
    rules_bookings.acknowledged_is_found,
    rules_bookings.nobody_is_booked_twice,
    rules_bookings.appointments_and_allocations_agree,
    rules_bookings.nobody_was_booked_twice_meanwhile,
    rules_holds.holds_are_kept,
    rules_holds.offered_times_are_kept,
    rules_bookings.tenants_are_apart,
    rules_catalog.changes_are_followed,
    rules_catalog.taken_as_it_was_offered,
    rules_catalog.nothing_is_missing,
    rules_series.series_are_whole,
    rules_series.cancelled_series_are_over,
    rules_waitlist.places_are_as_answered,
    rules_waitlist.offers_follow_each_other,
    rules_waitlist.ended_places_are_offered_nothing,
    rules_waitlist.accepted_offers_are_booked_once,
)
WITH_TOPICS: tuple[Rule, ...] = (
    rules_events.one_event_a_change_in_order,
    rules_events.events_are_of_their_tenant,
    rules_events.versions_are_what_was_asked_for,
    rules_events.answers_are_what_was_told,
    rules_events.unconfirmed_runs_out_at_its_start,
    rules_events.nothing_is_read_that_was_overtaken,
    rules_reminders.reminders_are_asked_for_once,
    rules_reminders.policies_are_followed,
    rules_reminders.reminders_come_due_at_their_time,
    rules_reminders.withdrawn_does_not_come_due,
    rules_waitlist.offers_are_told_once,
)
WITH_MESSAGES: tuple[Rule, ...] = (
    rules_messages.one_message_a_cause,
    rules_messages.one_mail_a_message,
    rules_messages.in_doubt_is_repeated_and_says_so,
    rules_messages.settled_is_told_once,
    rules_messages.nothing_is_lost,
    rules_messages.withdrawn_is_not_sent,
    rules_waitlist.offers_are_mailed_once,
)


def rules_for(evidence: Evidence) -> list[Rule]:
    """Those that the run has left something for."""
    return [
        *RULES,
        *(WITH_TOPICS if evidence.has_topics else ()),
        *(WITH_MESSAGES if evidence.has_messages else ()),
    ]


def verdict(evidence: Evidence) -> Row:
    """`ok`, the violations, and the counts that tell how much was put to the test."""
    violations = [found for rule in rules_for(evidence) for found in rule(evidence)]
    operations = evidence.operations
    return {
        "ok": not violations,
        "violations": [{"rule": found.rule, "says": found.says} for found in violations],
        "rules": [rule.__name__ for rule in rules_for(evidence)],
        "seed": evidence.setup["seed"],
        "operations": len(operations),
        "outcomes": dict(Counter(operation.outcome for operation in operations)),
        "kinds": dict(Counter(f"{operation.kind}: {operation.outcome}" for operation in operations)),
        "problems": dict(Counter(operation.problem for operation in operations if operation.problem)),
        "statuses": {str(key): n for key, n in Counter(item.status for item in operations).items()},
        "faults": dict(Counter(f"{fault.what} {fault.target}" for fault in evidence.faults)),
        "appointments": len(evidence.appointments),
        "changes_heard_of": sum(len(seen) - 1 for seen in evidence.catalog.seen.values() if seen),
        "judged": dict(rules_catalog.judged(evidence)),
        "policies_followed": sum(map(len, evidence.followed.values())),
        "reminders": rules_reminders.judged(evidence) if evidence.has_topics else {},
        "series": rules_series.judged(evidence),
        "waitlist": rules_waitlist.judged(evidence),
        "run_out": len(evidence.run_out()),
        "mails": len(evidence.final.get("mails", ())),
        "mails_repeated": sum(message["repeated"] for message in evidence.final.get("messages", ())),
        "mails_struck": dict(Counter(fault.what for fault in evidence.faults if fault.mail is not None)),
    }


def judge(folder: Path) -> Row:
    """Reads the run, writes `verdict.json` beside it, and answers it."""
    decided = verdict(Evidence.read(folder))
    (folder / "verdict.json").write_text(json.dumps(decided, indent=1), "utf-8")
    return decided


if __name__ == "__main__":
    decided = judge(Path(sys.argv[1]))
    json.dump(decided, sys.stdout, indent=1)
    raise SystemExit(0 if decided["ok"] else 1)
