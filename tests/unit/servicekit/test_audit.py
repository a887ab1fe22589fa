"""What the audit trail tells of a change."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from contracts.booking import Consent
from servicekit.audit import changed


class Colour(StrEnum):
    RED = "red"


def test_only_what_differs_is_told_as_json() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    old = {"id": UUID(int=1), "consent": Consent(email=True, sms=False), "at": at, "colour": None}
    new = old | {"consent": Consent(email=True, sms=True), "colour": Colour.RED}
    assert changed(old, new) == {
        "consent": {"old": {"email": True, "sms": False}, "new": {"email": True, "sms": True}},
        "colour": {"old": None, "new": "red"},
    }


def test_what_is_not_there_on_one_side_is_none() -> None:
    assert changed({"a": 1}, {"b": 2}) == {"a": {"old": 1, "new": None}, "b": {"old": None, "new": 2}}
    assert changed({}, {"a": None}) == {}


def test_a_hidden_field_is_told_without_its_values() -> None:
    assert changed({"name": "Bea", "notes": "x"}, {"name": "Bo", "notes": "x"}, hidden=("name", "notes")) == {
        "name": {"hidden": True}
    }
