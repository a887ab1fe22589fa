"""CSRF protection: a signed double-submit cookie that is bound to the session, and Sec-Fetch-Site.

Each browser has a random value in an HttpOnly cookie; each form carries its keyed digest. A form sent by another
site has no digest, and one planted by a neighbouring subdomain has no key. `FormGuard.check` runs before every POST
handler (`web.forms.read_form`). Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet.
"""

import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response

from servicekit.errors import SlotwrightError
from web.cookies import CookieBox
from web.sessions import Sessions

COOKIE = "slotwright_form"
FIELD = "form_token"


class ForeignForm(SlotwrightError):
    """The form was not sent from a page of ours, or from one that is too old."""


class FormOfAnotherSession(ForeignForm):
    """The token is not one of this browser's session: the form comes from elsewhere, or from a page that was opened
    before the browser signed in or out, or went to another business."""


class FormGuard:
    """Makes and checks form tokens."""

    def __init__(self, box: CookieBox, sessions: Sessions, *, secure: bool) -> None:
        self._box = box
        self._sessions = sessions
        self._secure = secure

    def token(self, request: Request) -> str:
        """The token for this request's forms; makes the browser's value when it has none yet."""
        value = request.cookies.get(COOKIE) or getattr(request.state, "form_value", None)
        if not value:
            value = request.state.form_value = self._new(request)
        return self._digest(request, value)

    def _new(self, request: Request) -> str:
        """A value for a browser that has none; always the same for one session. A browser may ask for several pages
        at once: were each given another value, the forms of all but the last would be refused."""
        session = self._sessions.read(request)
        if session is None:
            return secrets.token_urlsafe(24)
        return self._box.mac("form value", "of the session", session.session_id)

    def _digest(self, request: Request, value: str) -> str:
        session = self._sessions.read(request)
        return self._box.mac(value, session.session_id if session else "")

    def keep(self, request: Request, response: Response) -> None:
        """Puts a value made for this request into the browser."""
        value = getattr(request.state, "form_value", None)
        if value:
            response.set_cookie(COOKIE, value, path="/", httponly=True, secure=self._secure, samesite="lax")

    def check(self, request: Request, token: str) -> None:
        """Raises ForeignForm for another site's form or a missing cookie, FormOfAnotherSession for a bad token."""
        site = request.headers.get("sec-fetch-site", "same-origin")
        if site not in {"same-origin", "none"}:
            raise ForeignForm(f"sent from {site}")
        value = request.cookies.get(COOKIE, "")
        # As bytes: compare_digest takes text only where it is ASCII.
        sent, made = token.encode(errors="replace"), self._digest(request, value).encode()
        if not value:
            raise ForeignForm("no cookie")
        if not hmac.compare_digest(sent, made):
            raise FormOfAnotherSession("token")
