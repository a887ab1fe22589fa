"""Password rules, refresh rotation, and how signing keys follow each other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.domain import (
    REPEAT_WITHIN,
    KeyTimes,
    Refresh,
    RefreshToken,
    Session,
    SigningKey,
    next_key_signs_from,
    normalised,
    outlived,
    password_fault,
    refresh_outcome,
    signer,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIMES = KeyTimes(rotation=timedelta(days=30), overlap=timedelta(minutes=15), linger=timedelta(minutes=11))

SESSION = Session(UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=1), NOW + HOUR)
TOKEN = RefreshToken(UUID(int=1), NOW + HOUR, None, 1)
MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(
    "password", ["a green bicycle", "tr0ub4dor&3", "ペンギンは空を飛べない", "x7 Kq9 mP2z"]
)
def test_a_long_unusual_password_is_taken(password: str) -> None:
    assert password_fault(password, "ada@riverside.example", "Ada") is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 10"),
        ("x" * 257 + "abcdefg", "at most 256"),
        ("password123", "too easy"),
        ("P@ssw0rd123!", "too easy"),
        ("aaaaaaaaaaaa", "too easy"),
        ("abababababab", "too easy"),
        ("1234567890", "too easy"),
        ("ada@riverside.example", "name or address"),
        ("ADA@Riverside.example1", "name or address"),
        ("adalovelace12", "name or address"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, why: str) -> None:
    about = ("adalovelace@riverside.example", "Ada", "ada@riverside.example")
    assert why in (password_fault(password, *about) or "")


def test_the_same_characters_in_another_composition_are_the_same_password() -> None:
    assert normalised("Zoe\u0308 \ufb01re") == normalised("Zo\u00eb fire")


def test_an_unused_token_rotates() -> None:
    assert refresh_outcome(TOKEN, SESSION, NOW) is Refresh.ROTATE


def _refreshed(generation: int, ago: timedelta) -> Session:
    return replace(SESSION, generation=generation, refreshed_at=NOW - ago)


USED = replace(TOKEN, used_at=NOW - MOMENT)


def test_a_used_token_that_comes_back_at_once_is_a_repetition() -> None:
    assert refresh_outcome(USED, _refreshed(1, MOMENT), NOW) is Refresh.REPEAT
    assert refresh_outcome(USED, _refreshed(1, REPEAT_WITHIN - MOMENT), NOW) is Refresh.REPEAT


def test_a_used_token_that_comes_back_later_ends_the_family() -> None:
    used = replace(TOKEN, used_at=NOW - REPEAT_WITHIN)
    assert refresh_outcome(used, _refreshed(1, REPEAT_WITHIN), NOW) is Refresh.END_FAMILY


def test_a_used_token_ends_the_family_once_its_successor_was_used() -> None:
    assert refresh_outcome(USED, _refreshed(2, MOMENT), NOW) is Refresh.END_FAMILY


def test_tokens_of_one_generation_count_as_one() -> None:
    """A repetition leaves two that are unused: when one is used the other is, too."""
    twin = replace(TOKEN, generation=2)
    assert refresh_outcome(twin, _refreshed(1, MOMENT), NOW) is Refresh.ROTATE
    assert refresh_outcome(twin, _refreshed(2, MOMENT), NOW) is Refresh.REPEAT
    assert refresh_outcome(twin, _refreshed(2, HOUR), NOW) is Refresh.END_FAMILY
    assert refresh_outcome(twin, _refreshed(3, MOMENT), NOW) is Refresh.END_FAMILY


def test_a_token_of_the_release_that_did_not_count_rotates_once() -> None:
    uncounted = replace(TOKEN, generation=None)
    assert refresh_outcome(uncounted, SESSION, NOW) is Refresh.ROTATE
    assert refresh_outcome(uncounted, _refreshed(3, MOMENT), NOW) is Refresh.ROTATE
    used = replace(uncounted, used_at=NOW - MOMENT)
    assert refresh_outcome(used, SESSION, NOW) is Refresh.END_FAMILY
    used_by_it = replace(TOKEN, generation=4, used_at=NOW - MOMENT)
    assert refresh_outcome(used_by_it, _refreshed(3, MOMENT), NOW) is Refresh.END_FAMILY


def test_a_used_token_that_has_expired_too_still_gives_the_theft_away() -> None:
    used = replace(TOKEN, used_at=NOW - HOUR, expires_at=NOW - MOMENT)
    assert refresh_outcome(used, _refreshed(1, HOUR), NOW) is Refresh.END_FAMILY


@pytest.mark.parametrize(
    ("token", "session"),
    [
        (replace(TOKEN, expires_at=NOW), SESSION),
        (TOKEN, replace(SESSION, expires_at=NOW)),
        (TOKEN, replace(SESSION, ended_at=NOW)),
        (replace(TOKEN, used_at=NOW), replace(SESSION, ended_at=NOW)),
    ],
)
def test_what_has_ended_is_refused(token: RefreshToken, session: Session) -> None:
    assert refresh_outcome(token, session, NOW) is Refresh.REFUSE


def _key(name: str, signs_from: datetime) -> SigningKey:
    return SigningKey(name, b"", signs_from)


def test_the_first_key_signs_at_once() -> None:
    assert next_key_signs_from([], NOW, TIMES) == NOW


def test_a_next_key_is_made_an_overlap_before_it_is_due() -> None:
    key = _key("a", NOW)
    due = NOW + TIMES.rotation - TIMES.overlap
    assert next_key_signs_from([key], due - timedelta(seconds=1), TIMES) is None
    assert next_key_signs_from([key], due, TIMES) == NOW + TIMES.rotation


def test_a_published_key_does_not_sign_before_its_time() -> None:
    old, new = _key("a", NOW - HOUR), _key("b", NOW + HOUR)
    assert signer([new, old], NOW) is old
    assert signer([new, old], NOW + HOUR) is new
    assert signer([new], NOW) is None


@given(st.lists(st.integers(min_value=0, max_value=2000), min_size=1, max_size=200))
def test_at_every_moment_one_key_signs_and_its_tokens_outlast_no_key(minutes: list[int]) -> None:
    """Rotation seen by a loop that turns at odd times: what signed stays published for as long as a token lives."""
    keys: list[SigningKey] = []
    signed: dict[str, datetime] = {}
    now = NOW
    for step, gap in enumerate(minutes):
        now += timedelta(minutes=gap)
        signs_from = next_key_signs_from(keys, now, TIMES)
        if signs_from is not None:
            keys.append(_key(str(step), signs_from))
        gone = outlived(keys, now, TIMES)
        assert all(signed.get(key.kid, NOW - HOUR) <= now - TIMES.linger for key in gone)
        keys = [key for key in keys if key not in gone]
        current = signer(keys, now)
        assert current is not None
        signed[current.kid] = now
