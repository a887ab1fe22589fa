"""RFC 9457 problems for every error: ours, FastAPI's validation, the router's, and what nobody expected."""

import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from servicekit.errors import BadRequest, FieldError, Invalid, Problem

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 100
"""How many faults a problem names at most: with more, a client has misunderstood the whole request."""
_PLACES = {"query": "?", "path": "path:", "header": "header:", "cookie": "cookie:"}


def problem_body(problem: Problem, *, instance: str, request_id: str) -> dict[str, Any]:
    """The JSON object of a problem."""
    body: dict[str, Any] = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in problem.errors]
    return body | problem.extra


def problem_response(problem: Problem, *, instance: str, request_id: str) -> Response:
    body = json.dumps(problem_body(problem, instance=instance, request_id=request_id), default=str).encode()
    return Response(body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) to a field of the body; `/` alone is the whole of it."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts) or "/"


def _pointer(location: Sequence[str | int]) -> str:
    place, *rest = location or ("body",)
    if place == "body":
        return pointer(*rest)
    return _PLACES.get(str(place), "") + ".".join(str(part) for part in rest)


def _no_json() -> Problem:
    return BadRequest("The body is not JSON.", errors=(FieldError("/", "not JSON"),))


def _from_validation(error: RequestValidationError) -> Problem:
    errors = error.errors()
    if any(item["type"] == "json_invalid" for item in errors):
        return _no_json()
    # Pydantic puts this before the words of our own checks, which are the end of a sentence about the field.
    said = ((item["loc"], item["msg"].removeprefix("Value error, ")) for item in errors[:MAX_FIELD_ERRORS])
    fields = tuple(FieldError(_pointer(loc), words) for loc, words in said)
    return Invalid("; ".join(f"{item.pointer}: {item.detail}" for item in fields[:5]), errors=fields)


class _HttpProblem(Problem):
    """What the router raises by itself: unknown paths and methods."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None) -> None:
        super().__init__(detail, headers=headers)
        self.status = status  # type: ignore[misc]  # the one problem whose status is not its class's
        self.slug = {404: "not-found", 405: "method-not-allowed"}.get(status, "bad-request")  # type: ignore[misc]  # as above
        self.title = {404: "There is no such thing", 405: "This method is not allowed here"}.get(  # type: ignore[misc]  # as above
            status, "The request cannot be understood"
        )


def respond(request: Request, problem: Problem) -> Response:
    """The problem as the answer to this request; also used by the gateway, which answers some with a page."""
    return problem_response(
        problem, instance=request.url.path, request_id=request.scope.get("slotwright.request_id", "")
    )


def unexpected(*, instance: str, request_id: str) -> Response:
    """The answer where nobody foresaw the error; servicekit.http.edge gives it, and logs why."""
    problem = Problem("Something went wrong on our side; the request id helps to find it.")
    return problem_response(problem, instance=instance, request_id=request_id)


def install(app: FastAPI) -> None:
    """Makes the app answer every error that has a status as a problem."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return respond(request, error)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        return respond(request, _from_validation(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:
            # FastAPI's word for a body that it cannot even decode, or that nests too deep.
            return respond(request, _no_json())
        headers = dict(error.headers) if error.headers else None
        return respond(request, _HttpProblem(error.status_code, str(error.detail), headers))
