"""What an erasure leaves, as the operator's Event tells it."""

import json

from kubectl_slotwright import receipt
from kubectl_slotwright.objects import Event, event_of
from kubectl_slotwright.screen import Screen

ROWS = {"booking": {"appointment": 12, "hold": 0}, "auth": {"membership": 2}}


def event(reason: str, rows: str | None = None, time: str = "2026-03-09T10:00:00.000000Z") -> Event:
    annotations = {} if rows is None else {receipt.ROWS_ANNOTATION: rows}
    return Event(time, "Normal", reason, f"{reason}.", annotations)


def test_the_receipt_is_found_among_the_other_events() -> None:
    found = receipt.receipt_of([event("Deleting"), event("Erased", json.dumps(ROWS)), event("Pending")])
    assert found is not None
    assert receipt.to_json(found) == {
        "outcome": "Erased",
        "time": "2026-03-09T10:00:00.000000Z",
        "message": "Erased.",
        "rows": ROWS,
        "total": 14,
    }
    assert receipt.to_text(found, Screen()) == [
        "Erased at 2026-03-09T10:00:00Z. Erased.",
        "COMPONENT  TABLE        ROWS",
        "auth       membership      2",
        "booking    appointment    12",
        "booking    hold            0",
        "all                       14",
    ]


def test_no_receipt() -> None:
    assert receipt.receipt_of([event("Deleting")]) is None


def test_what_was_abandoned_is_not_called_erased() -> None:
    later = event("Erased", json.dumps(ROWS), "2026-03-09T11:00:00.000000Z")
    found = receipt.receipt_of([event("Abandoned"), later])
    assert found is not None
    assert (found.outcome, found.rows) == ("Abandoned", ROWS)


def test_rows_that_cannot_be_read_are_left_out() -> None:
    for text in ("{", "[]", '{"booking": 3}', '{"booking": {"hold": "many"}}', "null"):
        found = receipt.receipt_of([event("Erased", text)])
        assert found is not None
        assert (found.rows, found.total) == ({}, 0)
        assert len(receipt.to_text(found, Screen())) == 1


def test_an_event_is_read_from_the_api_servers_form() -> None:
    given = {
        "metadata": {"creationTimestamp": "2026-03-09T10:00:00Z", "annotations": {"a": "b"}},
        "eventTime": "2026-03-09T10:00:01.000000Z",
        "reason": "Erased",
        "note": "All of it.",
        "type": "Normal",
    }
    assert event_of(given) == Event(
        "2026-03-09T10:00:01.000000Z", "Normal", "Erased", "All of it.", {"a": "b"}
    )
