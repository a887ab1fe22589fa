"""Who is signed in: tokens travel in an encrypted cookie, and are refreshed here, never in the browser.

Refresh tokens rotate, and one that is used twice ends the whole session, unless it is repeated within seconds. So
one request of a session refreshes at a time, and those that come with the old cookie within a minute are given its
result. Requests that reach another replica use the old token once more, soon enough to be such a repetition. Pages
call `Sessions.call`, which does all this around `Gateway.call`, and `Sessions.download`.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response

from servicekit.errors import SlotwrightError
from web.cookies import CookieBox
from web.gateway_client import ApiAnswer, ApiProblem, Download, Gateway, GatewayDown

COOKIE = "slotwright_session"
_PURPOSE = "session"
_REFRESH_BEFORE_SECONDS = 30
_REMEMBER_SECONDS = 60.0
_COOKIE_SECONDS = 30 * 24 * 3600
_Answer = TypeVar("_Answer")


class SignedOut(SlotwrightError):
    """There is no session, or it has ended; sign in again."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user within one business. `expires_at` is the access token's, in epoch seconds."""

    access_token: str
    refresh_token: str
    expires_at: float
    session_id: str
    business_id: str
    business_slug: str
    role: str

    @property
    def owner(self) -> bool:
        return self.role == "owner"


def session_from(answer: Mapping[str, Any], known: Session | None = None) -> Session:
    """The session that auth's answer to a login or refresh describes."""
    businesses = answer.get("businesses") or ()
    business = next((item for item in businesses if known and item["id"] == known.business_id), None)
    business = business or next(iter(businesses), None)
    if business is None and known is not None:
        business = {"id": known.business_id, "slug": known.business_slug, "role": known.role}
    if business is None:
        raise SignedOut("this user belongs to no business")
    return Session(
        access_token=answer["access_token"],
        refresh_token=answer["refresh_token"],
        expires_at=time.time() + float(answer["expires_in"]),
        session_id=str(answer.get("session_id") or (known.session_id if known else "")),
        business_id=str(business["id"]),
        business_slug=str(business["slug"]),
        role=str(business["role"]),
    )


class Sessions:
    """Reads, refreshes and writes sessions."""

    def __init__(self, gateway: Gateway, box: CookieBox, *, secure: bool) -> None:
        self._gateway = gateway
        self._box = box
        self._secure = secure
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._refreshed: dict[str, tuple[float, Session]] = {}

    def read(self, request: Request) -> Session | None:
        """The request's session: that of its cookie, or as an earlier part of this request has refreshed it."""
        current: Session | None = getattr(request.state, "session", None)
        if current is not None:
            return current
        value = self._box.unseal(_PURPOSE, request.cookies.get(COOKIE, ""))
        if not isinstance(value, dict):
            return None
        try:
            session = Session(**value)
        except TypeError:  # a cookie of an older release
            return None
        request.state.session = session
        return session

    def require(self, request: Request) -> Session:
        """As `read`. Raises SignedOut when there is none."""
        session = self.read(request)
        if session is None:
            raise SignedOut("no session")
        return session

    def start(self, response: Response, session: Session) -> None:
        """Puts the session into the browser."""
        response.set_cookie(
            COOKIE,
            self._box.seal(_PURPOSE, asdict(session)),
            max_age=_COOKIE_SECONDS,
            path="/",
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(COOKIE, path="/", httponly=True, secure=self._secure, samesite="lax")

    async def call(self, request: Request, method: str, path: str, **options: Any) -> ApiAnswer:
        """Gateway.call as the signed-in user. Raises SignedOut, ApiProblem or GatewayDown."""
        return await self._signed(
            request, lambda token: self._gateway.call(method, path, token=token, **options)
        )

    async def download(self, request: Request, path: str, **options: Any) -> Download:
        """Gateway.download as the signed-in user. Raises SignedOut, ApiProblem or GatewayDown."""
        return await self._signed(request, lambda token: self._gateway.download(path, token=token, **options))

    async def _signed(self, request: Request, ask: Callable[[str], Awaitable[_Answer]]) -> _Answer:
        """Calls `ask` with the user's access token, refreshed where it is about to expire or is refused."""
        session = self.require(request)
        if session.expires_at - _REFRESH_BEFORE_SECONDS < time.time():
            session = await self._refresh(request, session)
        try:
            return await ask(session.access_token)
        except ApiProblem as problem:
            if problem.status != 401:
                raise
        # Its signing key may have been retired: one more try, with a new token. As auth has given one, the session
        # is valid; a service that refuses it does not know its key yet, and nobody is signed out for that.
        session = await self._refresh(request, session)
        try:
            return await ask(session.access_token)
        except ApiProblem as problem:
            raise GatewayDown(problem.detail) if problem.status == 401 else problem from problem

    async def _refresh(self, request: Request, session: Session) -> Session:
        digest = hashlib.sha256(session.refresh_token.encode()).hexdigest()
        lock = self._locks.setdefault(session.session_id, asyncio.Lock())
        async with lock:
            self._drop_old()
            remembered = self._refreshed.get(digest)
            fresh = remembered[1] if remembered else await self._exchange(session)
            self._refreshed.setdefault(digest, (time.monotonic(), fresh))
        request.state.session = fresh
        request.state.session_changed = True
        return fresh

    async def _exchange(self, session: Session) -> Session:
        body = {"refresh_token": session.refresh_token}
        try:
            answer = await self._gateway.call("POST", "/v1/sessions/refresh", body=body)
        except ApiProblem as problem:
            if problem.status in {400, 401, 403, 404, 422}:
                raise SignedOut(problem.detail) from problem
            raise
        return session_from(answer.data, session)

    async def switch(self, request: Request, slug: str) -> str:
        """Changes the session to another of the user's businesses; answers its name. Pages.finish sets the cookie.

        Raises SignedOut, GatewayDown, and ApiProblem: 409 where the session is at that business already, 403 where
        the user does not work there.
        """
        answer = await self.call(request, "POST", "/v1/sessions", body={"business": slug})
        request.state.session = session_from(answer.data)
        request.state.session_changed = True
        return str(answer.data["businesses"][0]["display_name"])

    def _drop_old(self) -> None:
        now = time.monotonic()
        for digest in [key for key, (at, _) in self._refreshed.items() if now - at > _REMEMBER_SECONDS]:
            del self._refreshed[digest]

    async def end(self, request: Request) -> None:
        """Ends the session at auth, where that can be reached; one that has ended already is no error.

        Its tokens are in the browser alone, which forgets them in any case: an outage keeps nobody signed in.
        """
        session = self.read(request)
        if session is None:
            return
        try:
            await self.call(request, "DELETE", f"/v1/sessions/{session.session_id}")
        except (ApiProblem, GatewayDown, SignedOut):
            return
        finally:
            request.state.session_changed = False
