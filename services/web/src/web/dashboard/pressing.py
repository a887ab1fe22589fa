"""Buttons that do one thing: it is asked of the API, and one comes to a page with a word on what came of it.

Used by the pages that have such buttons, once they have read the form: that is where its token is checked.
"""

from collections.abc import Callable, Container, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import Request
from starlette.responses import Response

from web.dashboard.sending import as_shown
from web.forms import Form
from web.gateway_client import ApiProblem
from web.service import Web


async def press(
    request: Request,
    site: Web,
    method: str,
    path: str,
    *,
    back: str,
    done: str | Callable[[Any], str],
    refused: Container[int],
    then: str | None = None,
    said: Mapping[int | str, str] = MappingProxyType({}),
    changing: Form | None = None,
    **options: Any,
) -> Response:
    """Leads `then`, or `back`, when it is `done`; and back when it is refused with one of the statuses `refused`.

    What `done` says may be made of what the API answered. Of a refusal its words are shown, or those `said` by the
    problem's slug or its status. `changing` is the button's form where it changes a thing that `back` shows:
    as_shown, then. `options` are as Sessions.call takes them. Raises Outdated when somebody changed that meanwhile,
    SignedOut, ApiProblem or GatewayDown.
    """
    try:
        if changing is None:
            answer = await site.sessions.call(request, method, path, **options)
        else:
            answer = await as_shown(request, site, changing, back, method, path, **options)
    except ApiProblem as problem:
        if problem.status not in refused:
            raise
        words = said.get(problem.slug) or said.get(problem.status) or problem.detail
        return site.pages.redirect(request, back, words, failed=True)
    return site.pages.redirect(request, then or back, done if isinstance(done, str) else done(answer.data))
