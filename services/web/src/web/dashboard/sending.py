"""Sends forms on to the API; where it refuses one, the form's page shows it again with what is wrong.

Used by the pages that have such forms, after `read_form`, which checks the form's token.
"""

from collections.abc import Callable, Container
from typing import Any

from fastapi import Request

from web.forms import Form, Outdated
from web.gateway_client import ApiAnswer, ApiProblem
from web.service import Web

_OUTDATED = (
    "Somebody changed it while you were typing, so this is not saved. What you typed stands below; to save it "
    "replaces what they have changed here."
)
_SENT_BEFORE = (
    "This form has saved something else before. Look whether that is what you want; sent again now, it saves what "
    "stands here as well."
)
REFUSED = frozenset({403, 409, 422})
"""Refusals for which a form is shown again: the user can correct it, or reads there why it is not possible."""


async def if_unchanged(
    request: Request, site: Web, form: Form, page: str, method: str, path: str, **options: Any
) -> ApiAnswer:
    """Sessions.call with If-Match on the version that `form` was shown with; `page` shows how the thing stands.

    Raises Outdated when somebody has changed it meanwhile, and what Sessions.call does.
    """
    try:
        return await site.sessions.call(request, method, path, if_match=form.if_match(), **options)
    except ApiProblem as problem:
        if problem.status == 412:
            raise Outdated(page) from problem
        raise


async def sent(
    request: Request,
    site: Web,
    form: Form,
    method: str,
    path: str,
    *,
    absorb: Callable[[ApiProblem], None],
    refused: Container[int] = REFUSED,
    changing: str | None = None,
    **options: Any,
) -> ApiAnswer | None:
    """The API's answer; None where the form has faults. `form.status` is then that of the page that shows them.

    A form with faults is not sent, and keeps its Idempotency-Key: should an earlier answer have been lost, the
    corrected form takes effect once. `absorb` puts the problem at the form's fields where its status is in
    `refused`. `changing` is the page of the thing that the form changes (`if_unchanged`). Where somebody has
    changed the thing meanwhile, the form says so, links to that page, and takes the present version, so that it can
    be sent again. `options` are as Sessions.call takes them. Raises SignedOut, ApiProblem or GatewayDown.
    """
    if form.faults:
        form.status = 422
        return None
    try:
        if changing is None:
            return await site.sessions.call(request, method, path, **options)
        return await if_unchanged(request, site, form, changing, method, path, **options)
    except Outdated as outdated:
        found = await site.sessions.call(request, "GET", path)
        form.values["version"] = found.version
        form.faults[""], form.outdated, form.status = _OUTDATED, outdated.page, 412
        return None
    except ApiProblem as problem:
        if problem.status not in refused:
            raise
        if problem.slug == "idempotency-key-reused":
            form.renew_key(_SENT_BEFORE)
        absorb(problem)
        form.status = problem.status
        return None
