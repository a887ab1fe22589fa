"""Where the keys that tokens are checked with come from."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from servicekit.errors import Unauthorized, Unavailable
from servicekit.health import Heartbeat
from servicekit.http.tokens import ALGORITHM, MissingKeys, RemoteKeys, TokenVerifier
from servicekit.ids import new_id
from servicekit.settings import TokenSettings
from servicekit.testing.tokens import TokenMinter


async def test_a_connection_that_led_elsewhere_is_not_kept() -> None:
    """A Service's address may lead nowhere or astray until its rules are there; what answered so must not stay."""
    found, connections, told = json.dumps(TokenMinter().jwks()).encode(), 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        astray = connections == 1
        status, body = (b"404 Not Found", b"") if astray else (b"200 OK", found)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                length = str(len(body)).encode()
                head = b"\r\nContent-Type: application/json\r\nContent-Length: " + length + b"\r\n\r\n"
                writer.write(b"HTTP/1.1 " + status + head + body)
                if not astray:
                    told.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    keys, stop = RemoteKeys(TokenSettings(jwks_url=f"http://127.0.0.1:{port}/")), asyncio.Event()
    fetching = asyncio.create_task(keys.run(stop, Heartbeat("jwks", limit=60)))
    async with asyncio.timeout(30):
        await told.wait()
    stop.set()
    await fetching
    server.close()
    assert await keys.ready() is None


REFUSED = 'Bearer error="invalid_token"'


class Auth:
    """Publishes a minter's keys, or is not there (`document` None), or says `text`; counts who asked."""

    def __init__(self, minter: TokenMinter) -> None:
        self.document: dict[str, Any] | None = minter.jwks()
        self.text: bytes | None = None
        self.asked = 0

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.text is not None:
            return web.Response(body=self.text, content_type="application/json")
        return web.json_response(self.document) if self.document else web.Response(status=503)


@asynccontextmanager
async def following(auth: Auth, *, hurry_seconds: float = 0.01) -> AsyncIterator[RemoteKeys]:
    """Keys that follow what is published, fetched again as soon as they are asked for in vain."""
    app = web.Application()
    app.router.add_get("/", auth.answer)
    server = TestServer(app)
    await server.start_server()
    stop = asyncio.Event()
    keys = RemoteKeys(TokenSettings(jwks_url=str(server.make_url("/"))), hurry_seconds=hurry_seconds)
    fetching = asyncio.create_task(keys.run(stop, Heartbeat("jwks", limit=60)))
    try:
        yield keys
    finally:
        stop.set()
        await fetching
        await server.close()


async def become(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what a fetch leaves behind
            await asyncio.sleep(0.005)


def outcome(verifier: TokenVerifier, token: str) -> str:
    try:
        verifier.verify(token)
    except Unauthorized as refused:
        return refused.headers["WWW-Authenticate"]
    except Unavailable:
        return "come again"
    return "taken"


def verifier_of(keys: RemoteKeys, minter: TokenMinter) -> TokenVerifier:
    return TokenVerifier(keys, issuer=minter.issuer, audience=minter.audience)


async def test_a_withdrawn_keys_token_is_refused_once_the_keys_were_fetched() -> None:
    old, new = TokenMinter(kid="old"), TokenMinter(kid="new")
    auth = Auth(old)
    async with following(auth) as keys:
        verifier, token = verifier_of(keys, old), old.token(new_id())
        await become(lambda: outcome(verifier, token) == "taken")
        auth.document = new.jwks()
        assert outcome(verifier, new.token(new_id())) == "come again", "which has the keys fetched"
        await become(lambda: outcome(verifier, new.token(new_id())) == "taken")
        assert outcome(verifier, token) == REFUSED, "at once, as it was known"


async def test_a_key_that_was_looked_for_in_vain_is_refused_until_it_is_published() -> None:
    minter, late = TokenMinter(kid="known"), TokenMinter(kid="late")
    auth = Auth(minter)
    async with following(auth) as keys:
        verifier, token = verifier_of(keys, minter), late.token(new_id())
        assert outcome(verifier, token) == "come again"
        await become(lambda: outcome(verifier, token) == REFUSED)
        auth.document = late.jwks()
        await become(lambda: outcome(verifier, token) == "taken")


async def test_while_the_keys_cannot_be_had_a_token_is_to_come_again() -> None:
    minter = TokenMinter()
    auth = Auth(minter)
    auth.document = None
    async with following(auth) as keys:
        verifier, token = verifier_of(keys, minter), minter.token(new_id())
        assert outcome(verifier, token) == "come again"
        await become(lambda: auth.asked > 1)
        assert outcome(verifier, token) == "come again"
        auth.document = minter.jwks()
        await become(lambda: outcome(verifier, token) == "taken")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b"[]", b"null", b'"keys"', b"{}", b'{"keys": 5}', b'{"keys": [5]}', b"[" * 100_000],
    ids=lambda text: repr(text[:20]),
)
async def test_an_answer_that_is_no_key_set_leaves_the_keys_as_they_are(text: bytes) -> None:
    """As of whoever has auth's address by now, or of a proxy's page; the process goes on, and looks again."""
    minter = TokenMinter()
    auth = Auth(minter)
    async with following(auth) as keys:
        verifier = verifier_of(keys, minter)
        await become(lambda: outcome(verifier, minter.token(new_id())) == "taken")
        auth.text, asked = text, auth.asked
        keys.gone("another")
        await become(lambda: auth.asked > asked)
        auth.text = None
    assert outcome(verifier, minter.token(new_id())) == "taken"


def test_an_expired_token_of_an_unknown_key_is_refused_whether_keys_can_be_had_or_not() -> None:
    minter, past = TokenMinter(), datetime.now(UTC) - timedelta(days=3)
    verifier = verifier_of(RemoteKeys(TokenSettings()), minter)
    token = minter.token(new_id(), iat=past, exp=past + timedelta(minutes=10))
    assert outcome(verifier, token) == REFUSED
    assert outcome(verifier, minter.token(new_id(), exp=None)) == REFUSED
    assert outcome(verifier, minter.token(new_id())) == "come again"


def test_a_token_of_an_auth_whose_clock_is_ahead_is_taken_at_once() -> None:
    minter, ahead = TokenMinter(), datetime.now(UTC) + timedelta(seconds=30)
    verifier = TokenVerifier(minter, issuer=minter.issuer, audience=minter.audience)
    assert outcome(verifier, minter.token(new_id(), iat=ahead, exp=ahead + timedelta(minutes=10))) == "taken"


async def test_invented_keys_have_the_keys_fetched_so_often_only() -> None:
    minter = TokenMinter()
    auth = Auth(minter)
    async with following(auth, hurry_seconds=0.5) as keys:
        await become(lambda: outcome(verifier_of(keys, minter), minter.token(new_id())) == "taken")
        loop = asyncio.get_running_loop()
        begun, invented = loop.time(), 0
        while auth.asked < 3:
            invented += 1
            outcome(verifier_of(keys, minter), TokenMinter(kid=f"k{invented}").token(new_id()))
            await asyncio.sleep(0.005)
        assert loop.time() - begun >= 0.5, f"{invented} invented keys had them fetched twice more"


@pytest.mark.parametrize("kid", ["k" * 129, "k" * 100_000])
def test_no_key_has_so_long_a_name(kid: str) -> None:
    minter = TokenMinter(kid=kid)
    verifier = TokenVerifier(minter, issuer=minter.issuer, audience=minter.audience)
    assert outcome(verifier, minter.token(new_id())) == REFUSED


def test_a_token_that_names_no_key_is_refused() -> None:
    """As another issuer's may be; it must not fail as an error of ours."""
    minter = TokenMinter()
    verifier = TokenVerifier(minter, issuer=minter.issuer, audience=minter.audience)
    nameless = jwt.encode(minter.claims(new_id()), minter._key, algorithm=ALGORITHM)
    assert outcome(verifier, nameless) == REFUSED


def test_no_more_missing_keys_are_remembered_than_a_thousand() -> None:
    missing = MissingKeys()
    for number in range(1001):
        assert not missing.gone(f"k{number}")
    assert len(missing.sought()) == 1000
    missing.looked_for(missing.sought(), ())
    assert missing.gone("k1000")
    assert not missing.gone("k0"), "forgotten, and asked for anew"
