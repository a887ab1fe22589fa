"""The errors that a service raises; their type says what a caller may do about them.

A `Problem` is an answer to a client: servicekit.http.problems turns it into RFC 9457 JSON, once, at the edge. In a
consumer a `PermanentError` goes to the dead letters at once; everything else is retried.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")


class SlotwrightError(Exception):
    """The root of the errors that are ours."""


class PermanentError(SlotwrightError):
    """Trying again will not help: the message is wrong, not the world."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field's fault. `pointer` is a JSON pointer (`/startsAt`), or `?name` / `path:name` / `header:name`."""

    pointer: str
    detail: str


class Problem(SlotwrightError):
    """An RFC 9457 problem. Subclasses fix status and type; `extra` are extension members."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra


class BadRequest(Problem):
    status = 400
    slug = "bad-request"
    title = "The request cannot be understood"


class Unauthorized(Problem):
    status = 401
    slug = "unauthorized"
    title = "Sign in to do this"


class Forbidden(Problem):
    status = 403
    slug = "forbidden"
    title = "You may not do this"


class TenantSuspended(Forbidden):
    slug = "tenant-suspended"
    title = "This business is suspended"


class QuotaExceeded(Forbidden):
    """A plan's limit is reached; `limit`, `used`, `metric` and `plan` stand in the problem."""

    slug = "quota-exceeded"
    title = "The plan's limit is reached"


class NotFound(Problem):
    status = 404
    slug = "not-found"
    title = "There is no such thing"


class Conflict(Problem):
    status = 409
    slug = "conflict"
    title = "This conflicts with what is there"


class PreconditionFailed(Problem):
    status = 412
    slug = "precondition-failed"
    title = "It was changed in the meantime"


class PayloadTooLarge(Problem):
    status = 413
    slug = "payload-too-large"
    title = "The body is too large"


class Invalid(Problem):
    """Some field is wrong; `errors` name each."""

    status = 422
    slug = "invalid"
    title = "Some fields are wrong"

    @classmethod
    def field(cls, pointer: str, detail: str) -> "Invalid":
        """For a single field."""
        return cls(detail, errors=(FieldError(pointer, detail),))


class IdempotencyMismatch(Problem):
    status = 422
    slug = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


class PreconditionRequired(Problem):
    status = 428
    slug = "precondition-required"
    title = "If-Match is required"


class TooManyRequests(Problem):
    status = 429
    slug = "too-many-requests"
    title = "Too many requests"


def retry_after(until: datetime, now: datetime) -> dict[str, str]:
    """The header that says when to come again: in whole seconds, one at least."""
    return {"Retry-After": str(max(1, math.ceil((until - now).total_seconds())))}


class Unavailable(Problem):
    """Something this request needs is not there now; `Retry-After` says when to come again."""

    status = 503
    slug = "unavailable"
    title = "Try again in a moment"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def found(thing: T | None, name: str) -> T:
    """Raises NotFound for what is not there."""
    if thing is None:
        raise NotFound(f"There is no such {name}.")
    return thing
