"""Forms that are sent on to the API; where it refuses one, its page shows it again with what is wrong.

Used by the pages that have such forms, once they have read one: that is where its token is checked.
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
"""What the API answers to a form that somebody can mend, or learn from why it cannot be."""


async def as_shown(
    request: Request, site: Web, form: Form, page: str, method: str, path: str, **options: Any
) -> ApiAnswer:
    """Sessions.call on the version of a thing that `form` was shown with; `page` shows how the thing stands.

    Raises Outdated when somebody changed it meanwhile, and what Sessions.call does.
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
    """The answer; None where the form has faults, and then its status is that of the page that shows them.

    One with faults is not sent, and keeps its key: where the answer to one before was lost, what is sent then
    takes effect once. `absorb` puts there what the API says of one that is `refused`. `changing` is the page of the
    thing that is to be changed: as_shown, then. Where somebody changed the thing meanwhile, the form says so, leads
    to that page, and is one of the version that stands now, so that it can be sent again. `options` are as
    Sessions.call takes them. Raises SignedOut, ApiProblem or GatewayDown.
    """
    if form.faults:
        form.status = 422
        return None
    try:
        if changing is None:
            return await site.sessions.call(request, method, path, **options)
        return await as_shown(request, site, form, changing, method, path, **options)
    except Outdated as outdated:
        found = await site.sessions.call(request, "GET", path)
        form.values["version"] = (found.etag or "").strip('"').removeprefix("v")
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
