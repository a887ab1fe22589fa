"""Renders templates: autoescaped, not to be cached, each with the session, the form token and the notice.

Also serves the static files: their addresses carry a digest of their content, so that browsers may keep them for
good.
"""

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from web import contact, times
from web.cookies import CookieBox
from web.csrf import FormGuard
from web.money import money
from web.navigation import BEHIND_SETTINGS, TABS, current_tab
from web.sessions import Sessions

STATIC = Path(__file__).parent / "static"
_NOTICE = "notice"
_NOTICE_COOKIE = "slotwright_notice"
_FOREVER = "public, max-age=31536000, immutable"


def _digests() -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in STATIC.iterdir()
        if path.is_file()
    }


class Pages:
    """Renders pages for a request."""

    def __init__(
        self, box: CookieBox, sessions: Sessions, guard: FormGuard, *, public_url: str, secure: bool
    ) -> None:
        self._box = box
        self._sessions = sessions
        self._guard = guard
        self._secure = secure
        self._public_url = public_url.rstrip("/")
        self.digests = _digests()
        self._templates = Environment(
            loader=PackageLoader("web"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "money": money,
            "local": times.local,
            "clock": times.clock,
            "long_day": times.long_day,
            "short_day": times.short_day,
            "offset_words": times.offset_words,
            "told": contact.told,
        }
        self._templates.globals |= {
            "asset": self.asset,
            "public_url": self._public_url,
            "DAYS": times.DAYS,
            "TABS": TABS,
            "BEHIND_SETTINGS": BEHIND_SETTINGS,
            "current_tab": current_tab,
        }

    def asset(self, name: str) -> str:
        """A static file's address."""
        return f"/static/{name}?v={self.digests[name]}"

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """The page, with what every page needs: session, form token, path, notice."""
        notice = self._box.unseal(_NOTICE, request.cookies.get(_NOTICE_COOKIE, ""))
        frame = {
            "session": self._sessions.read(request),
            "form_token": self._guard.token(request),
            "path": request.url.path,
            "notice": notice,
        }
        text = self._templates.get_template(template).render(frame | values)
        response = self.finish(request, HTMLResponse(text, status))
        if notice is not None:
            response.delete_cookie(
                _NOTICE_COOKIE, path="/", httponly=True, secure=self._secure, samesite="lax"
            )
        return response

    def redirect(
        self, request: Request, target: str, notice: str | None = None, *, failed: bool = False
    ) -> Response:
        """303 See Other, with which forms end, so that reloading the page sends nothing twice.

        `notice` is shown once, on the next page.
        """
        response = self.finish(request, RedirectResponse(target, 303))
        if notice:
            sealed = self._box.seal(_NOTICE, {"text": notice, "failed": failed})
            response.set_cookie(
                _NOTICE_COOKIE,
                sealed,
                max_age=60,
                path="/",
                httponly=True,
                secure=self._secure,
                samesite="lax",
            )
        return response

    def finish(self, request: Request, response: Response) -> Response:
        """Forbids caching, and sets the cookies of a refreshed or changed session and of a new form value."""
        response.headers["Cache-Control"] = "no-store"
        self._guard.keep(request, response)
        session = self._sessions.read(request)
        if session is not None and getattr(request.state, "session_changed", False):
            self._sessions.start(response, session)
        return response


class Assets(StaticFiles):
    """The static files. Browsers may keep one for good where its address has the digest of its present content."""

    def __init__(self, digests: dict[str, str]) -> None:
        super().__init__(directory=STATIC)
        self._digests = digests

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        digest = self._digests.get(path, "")
        right = bool(digest) and scope.get("query_string", b"") == f"v={digest}".encode()
        response.headers["Cache-Control"] = _FOREVER if right else "no-cache"
        return response
