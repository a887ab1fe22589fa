"""Errors as Stripe answers them. Source: docs.stripe.com/api/errors. Raised by handlers, rendered by the app."""

from typing import Any


class ApiError(Exception):
    """An error answer. `kind` is Stripe's error type, `param` the parameter at fault in bracket form."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        error = {"type": self.kind, "message": self.message, "code": self.code, "param": self.param}
        return {"error": {name: value for name, value in error.items() if value is not None}}


def missing(kind: str, object_id: str, *, param: str = "id", status: int = 404) -> ApiError:
    """There is no such object; a 400 where the id came as a parameter."""
    words = kind.rpartition(".")[2].replace("_", " ") if kind != "checkout.session" else "checkout.session"
    return ApiError(f"No such {words}: '{object_id}'", status=status, code="resource_missing", param=param)
