"""Tokens are verified once, and again whenever that could matter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.credentials import Credentials
from servicekit.errors import Unauthorized
from servicekit.http.tokens import TokenVerifier
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter


class Keys:
    """The minter's key, as auth publishes it, until it is withdrawn; counts verifications by key lookups."""

    def __init__(self, minter: TokenMinter) -> None:
        self.published: dict[str, Any] = {minter.kid: minter.key(minter.kid)}

    def key(self, kid: str) -> Any | None:
        return self.published.get(kid)

    def gone(self, kid: str) -> bool:
        return True


class Counting(TokenVerifier):
    """The verifier, counting."""

    verified = 0

    def claims(self, token: str) -> dict[str, Any]:
        self.verified += 1
        return super().claims(token)


class Bench:
    """A gateway's credentials on a clock of the test's own."""

    def __init__(self, most: int = 10) -> None:
        self.minter = TokenMinter()
        self.keys = Keys(self.minter)
        self.verifier = Counting(self.keys, issuer=self.minter.issuer, audience=self.minter.audience)
        self.now = datetime.now(UTC)
        self.credentials = Credentials(self.verifier, self.keys, clock=lambda: self.now, most=most)

    def token(self, **claims: Any) -> str:
        return f"Bearer {self.minter.token(new_id(), **claims)}"


def test_a_token_is_verified_once() -> None:
    bench = Bench()
    token = bench.token()
    assert bench.credentials.principal(token) == bench.credentials.principal(token)
    assert bench.verifier.verified == 1


def test_an_expired_token_is_not_taken_from_what_is_kept() -> None:
    bench = Bench()
    token = bench.token(exp=datetime.now(UTC) + timedelta(minutes=1))
    bench.credentials.principal(token)
    bench.now += timedelta(minutes=2)
    bench.credentials.principal(token)
    assert bench.verifier.verified == 2


def test_a_withdrawn_key_ends_its_tokens() -> None:
    bench = Bench()
    token = bench.token()
    bench.credentials.principal(token)
    bench.keys.published.clear()
    with pytest.raises(Unauthorized):
        bench.credentials.principal(token)


def test_no_more_is_kept_than_allowed() -> None:
    bench = Bench(most=2)
    tokens = [bench.token() for _ in range(3)]
    for token in tokens:
        bench.credentials.principal(token)
    bench.credentials.principal(tokens[2])
    assert bench.verifier.verified == 3
    bench.credentials.principal(tokens[0])
    assert bench.verifier.verified == 4


def test_what_is_used_is_kept_and_what_is_not_makes_room() -> None:
    bench = Bench(most=2)
    often, once, new = (bench.token() for _ in range(3))
    for token in (often, once, often, new, often):
        bench.credentials.principal(token)
    assert bench.verifier.verified == 3


def test_a_token_that_differs_from_a_kept_one_only_near_its_end_is_refused() -> None:
    """One that is kept is not verified again: what it is found by has to be all of it."""
    bench = Bench()
    good = bench.token()
    bench.credentials.principal(good)
    forged = good[:-10] + ("a" if good[-10] != "a" else "b") + good[-9:]
    with pytest.raises(Unauthorized):
        bench.credentials.principal(forged)


def test_a_refused_token_is_never_kept() -> None:
    bench = Bench()
    token = bench.token(aud="others")
    for _ in range(2):
        with pytest.raises(Unauthorized):
            bench.credentials.principal(token)
    assert bench.verifier.verified == 2


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "token"])
def test_what_is_no_bearer_token_is_asked_to_be_one(header: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        Bench().credentials.principal(header)
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
