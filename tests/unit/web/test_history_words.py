"""The history's words, whoever did it and whichever release wrote it."""

from dataclasses import replace
from uuid import UUID

import pytest
from pydantic_core import to_jsonable_python

from support import web_samples as samples
from support.web_samples_customers import entry
from unit.web.telling import GONE, KNOWN, lines, sentence
from web.dashboard.history_words import told


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({0: "09", 1: "09", 2: "09"}, "Mon–Wed 09:00–17:00"),
        ({0: "09", 2: "09"}, "Mon 09:00–17:00; Wed 09:00–17:00"),
        ({5: "09", 6: "10", 0: "10"}, "Mon 10:00–17:00; Sat 09:00–17:00; Sun 10:00–17:00"),
    ],
)
def test_days_that_are_alike_are_told_together(days: dict[int, str], words: str) -> None:
    hours = [{"weekday": day, "opens": f"{at}:00:00", "closes": "17:00:00"} for day, at in days.items()]
    changes = {"weekly_hours": {"old": [], "new": hours}}
    found = told(entry("staff.changed", "staff", samples.ADA, changes), KNOWN)
    assert lines(found) == {"Weekly hours": ("no hours", words)}


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (("member", samples.ADA), "Ada Owner"),
        (("member", GONE), "A former member"),
        (("customer", samples.CUSTOMER), "A customer"),
        (("customer", None), "A customer"),
        (("system", None), "Slotwright"),
    ],
)
def test_who_did_it_is_named_where_they_are_known(actor: tuple[str, UUID | None], words: str) -> None:
    found = told(entry("customer.erased", "customer", samples.CUSTOMER, actor=actor), KNOWN)
    assert sentence(found) == f"{words} erased a customer"
    customers = f"/dashboard/customers/{samples.CUSTOMER}" if actor[1] == samples.CUSTOMER else None
    assert found.actor_page == customers
    assert found.page is None
    unknown = told(entry("x.changed", "x", GONE, actor=actor), replace(KNOWN, members=None))
    assert unknown.actor == ("A member" if actor[0] == "member" else words)


def test_what_a_newer_release_writes_is_still_told() -> None:
    changes = {
        "loyalty_points": {"old": 3, "new": [1, True, {"a-b": None}]},
        "a/b": {"old": "x", "new": ""},
        "same": {"old": None, "new": ""},
    }
    found = told(entry("voucher.cashed-in", "gift-voucher", GONE, to_jsonable_python(changes)), KNOWN)
    assert sentence(found) == "Ada Owner Voucher cashed in: Gift voucher"
    assert lines(found) == {"Loyalty points": ("3", "1, yes, A b: nothing"), "A b": ("x", None)}


def test_what_somebody_typed_is_not_taken_for_a_code() -> None:
    changes = {"name": {"old": "email", "new": "all"}, "description": {"old": None, "new": "pending"}}
    found = told(entry("service.changed", "service", samples.SERVICE, changes), KNOWN)
    assert lines(found) == {"Name": ("email", "all"), "Description": (None, "pending")}


@pytest.mark.parametrize(
    "field", ["starts_at", "weekly_hours", "exceptions/x", "time_off/x", "rules", "a_minutes"]
)
def test_what_an_older_release_wrote_otherwise_is_still_told(field: str) -> None:
    changes = {field: {"old": {"odd": 1}, "new": [3]}}
    found = told(entry("staff.changed", "staff", samples.ADA, changes), KNOWN)
    assert [(line.before, line.after) for line in found.lines] == [("Odd: 1", "3")]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("staff-feed.rotated", "made a new calendar address for Ada"),
        ("staff-feed.withdrawn", "withdrew the calendar address of Ada"),
        ("busy-calendar.set", "connected another calendar of Ada"),
        ("busy-calendar.removed", "disconnected the other calendar of Ada"),
    ],
)
def test_calendars_are_told_by_whose_they_are(action: str, words: str) -> None:
    host = {"host": {"old": None, "new": "calendar.example"}} if action == "busy-calendar.set" else {}
    found = told(entry(action, "staff", samples.ADA, host), KNOWN)
    assert sentence(found) == f"Ada Owner {words}"
    assert lines(found) == ({"Found at": (None, "calendar.example")} if host else {})
