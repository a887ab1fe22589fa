"""Buttons that send one request to the API, and then lead to a page with a notice of the outcome.

Used by the pages that have such buttons, after `read_form`, which checks the form's token.
"""

from collections.abc import Callable, Container, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import Request
from starlette.responses import Response

from web.dashboard.sending import if_unchanged
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
    """Sends the request, and redirects: to `then`, or else `back`, when it succeeds; to `back` when it is refused
    with one of the statuses `refused`.

    `done` is the notice of success, or makes it from the API's answer. The notice of a refusal is in `said`, by the
    problem's slug or status; otherwise it is the problem's detail. `changing` is the button's form where it changes
    a thing that `back` shows (`if_unchanged`). `options` are as Sessions.call takes them. Raises Outdated when
    somebody has changed that thing meanwhile, SignedOut, ApiProblem or GatewayDown.
    """
    try:
        if changing is None:
            answer = await site.sessions.call(request, method, path, **options)
        else:
            answer = await if_unchanged(request, site, changing, back, method, path, **options)
    except ApiProblem as problem:
        if problem.status not in refused:
            raise
        words = said.get(problem.slug) or said.get(problem.status) or problem.detail
        return site.pages.redirect(request, back, words, failed=True)
    return site.pages.redirect(request, then or back, done if isinstance(done, str) else done(answer.data))
