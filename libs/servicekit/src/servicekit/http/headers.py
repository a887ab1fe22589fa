"""Headers that routes read: Idempotency-Key, and ETag with If-Match for edits of what others may edit too."""

import hashlib
import re
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from servicekit.errors import Invalid, PreconditionFailed, PreconditionRequired
from servicekit.idempotency import IdempotencyKey, Outcome

_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
_ETAG = re.compile(r'^"v([0-9]{1,9})"$')


async def _idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="A key of your choice. Repeated with it within 24 hours, a request takes effect once and is"
            " answered as before."
        ),
    ] = None,
) -> IdempotencyKey | None:
    if idempotency_key is None:
        return None
    if not _KEY.fullmatch(idempotency_key):
        raise Invalid.field("header:Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    digest = hashlib.sha256(await request.body()).digest()
    return IdempotencyKey(f"{request.method} {request.url.path}", idempotency_key, digest)


Idempotency = Annotated[IdempotencyKey | None, Depends(_idempotency_key)]
"""A creating POST takes it and hands it to servicekit.idempotency.once."""


def respond(outcome: Outcome, *, location: str | None = None) -> Response:
    """The response to an idempotent POST."""
    headers = {"Idempotent-Replayed": "true"} if outcome.replayed else {}
    if location is not None:
        headers["Location"] = location
    return Response(outcome.body, outcome.status, headers, media_type="application/json")


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"v{version}"'


async def _if_match(
    if_match: Annotated[
        str | None, Header(description="The ETag of the version that you edit; `*` overwrites any version.")
    ] = None,
) -> int | None:
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag that you read, so that no edit is lost.")
    if if_match == "*":
        return None
    match = _ETAG.fullmatch(if_match)
    if match is None:
        raise PreconditionFailed("If-Match is not an ETag of this resource.")
    return int(match[1])


IfMatch = Annotated[int | None, Depends(_if_match)]
"""The version that an edit starts from; None for any."""
