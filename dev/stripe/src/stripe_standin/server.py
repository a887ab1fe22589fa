"""The API's edge: key, parameters, idempotency, expansion, errors. Wraps every route's handler.

Source: docs.stripe.com/api/authentication, /idempotent_requests, /expanding_objects, /request_ids.
"""

import base64
import hashlib
import json
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stripe_standin import lifecycle
from stripe_standin.errors import ApiError
from stripe_standin.forms import parse_form
from stripe_standin.requests import Call, Params, Route
from stripe_standin.settings import API_VERSION
from stripe_standin.store import new_id
from stripe_standin.world import World

_KEPT = "_idempotency"
_KEEP_SECONDS = 24 * 3600
_NOT_KEPT = frozenset({400, 401, 404, 409, 429})
"""A request refused before it began leaves its key unused, as at Stripe."""


@dataclass(slots=True)
class Outage:
    """Answers the next `requests` with `status`; forever when None. Those to `path` only when there is one.

    A `kept` failure is one of a request that had begun: only those with an idempotency key have it, and the same
    key is answered with it for as long as keys are kept.
    """

    status: int = 503
    requests: int | None = None
    path: str | None = None
    kept: bool = False

    def hits(self, path: str, key: str | None) -> bool:
        """Whether a request to a path with this key is one of them."""
        return self.path in {None, path} and (key is not None or not self.kept)


@dataclass(slots=True)
class Edge:
    """Turns requests into calls. `seen` keeps the last requests for tests to look at."""

    world: World
    outage: Outage | None = None
    seen: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=2000))

    def endpoint(self, route: Route) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The ASGI endpoint of a route."""

        async def answer(request: Request) -> Response:
            body = (await request.body()).decode("utf-8", "replace")
            return self._answer(route, request, body)

        return answer

    def _answer(self, route: Route, request: Request, body: str) -> Response:
        world = self.world
        headers = {"Request-Id": new_id("req", 14), "Stripe-Version": API_VERSION}
        key = request.headers.get("idempotency-key") if route.method == "POST" else None
        if key:
            headers["Idempotency-Key"] = key
        world.request_id, world.idempotency_key = headers["Request-Id"], key
        try:
            kept_failure = self._check_outage(request.url.path, key)
            self._check_key(request)
            lifecycle.catch_up(world)
            encoded = body if route.method == "POST" else str(request.url.query)
            if route.method == "DELETE" and body:
                encoded = body
            fingerprint = hashlib.sha256(f"{route.method} {request.url.path}\n{encoded}".encode()).hexdigest()
            if key and (kept := self._kept(key, fingerprint)):
                headers["Idempotent-Replayed"] = "true"
                return _json(kept["status"], kept["body"], headers)
            if kept_failure is not None:
                status, answer = kept_failure.status, kept_failure.body()
            else:
                status, answer = self._perform(route, request, encoded)
            if key and (kept_failure is not None or status not in _NOT_KEPT):
                world.store.put(
                    {
                        "id": key,
                        "fingerprint": fingerprint,
                        "at": world.now,
                        "status": status,
                        "body": answer,
                    },
                    _KEPT,
                )
        except ApiError as error:
            status, answer = error.status, error.body()
        finally:
            world.store.commit()
            world.request_id = world.idempotency_key = None
        return _json(status, answer, headers)

    def _perform(self, route: Route, request: Request, encoded: str) -> tuple[int, dict[str, Any]]:
        try:
            raw = parse_form(encoded)
            self.seen.append({"method": route.method, "path": route.path, "params": raw})
            call = Call(self.world, {k: str(v) for k, v in request.path_params.items()}, raw)
            params = call.read(route.params)
            answer = route.handler(call)
            return 200, self.world.expand(answer, params.expand if isinstance(params, Params) else [])
        except ApiError as error:
            return error.status, error.body()

    def _check_outage(self, path: str, key: str | None) -> ApiError | None:
        """Answers the failure that is to be kept; raises one that is not."""
        outage = self.outage
        if outage is None or not outage.hits(path, key):
            return None
        if outage.requests is not None:
            outage.requests -= 1
            if outage.requests <= 0:
                self.outage = None
        code = "rate_limit" if outage.status == 429 else None
        words = "The stand-in is out of order on demand."
        error = ApiError(words, status=outage.status, kind="api_error", code=code)
        if not outage.kept:
            raise error
        return error

    def _check_key(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[0]
            except ValueError:
                given = ""
        if not given:
            raise ApiError("You did not provide an API key.", status=401)
        if given != self.world.settings.api_key:
            raise ApiError(f"Invalid API Key provided: {given[:8]}****", status=401, code="api_key_invalid")

    def _kept(self, key: str, fingerprint: str) -> dict[str, Any] | None:
        kept = self.world.store.find(_KEPT, key)
        if kept is None or kept["at"] + _KEEP_SECONDS <= self.world.now:
            return None
        if kept["fingerprint"] != fingerprint:
            raise ApiError(
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return kept


def _json(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(json.dumps(body, indent=2), status, headers, media_type="application/json")


async def unknown(request: Request) -> Response:
    """Any path that there is no route for."""
    error = ApiError(
        f"Unrecognized request URL ({request.method}: {request.url.path}). The stand-in knows only what Slotwright "
        "and its tests use.",
        status=404,
    )
    return _json(error.status, error.body(), {"Request-Id": new_id("req", 14)})
