"""The problems that only the gateway has."""

from servicekit.errors import BadRequest, Problem, TooManyRequests, Unavailable


class MalformedRequest(BadRequest):
    """A request that the gateway and a service might read differently, and so is not passed on."""


class MethodNotAllowed(Problem):
    status = 405
    slug = "method-not-allowed"
    title = "This method is not allowed here"


class UpstreamDown(Unavailable):
    """A service cannot be reached; `service` says which."""

    def __init__(self, service: str) -> None:
        super().__init__(f"The {service} service cannot be reached at the moment.")
        self.extra = {"service": service}


class UpstreamBroken(Problem):
    """A service answered what is no HTTP, or ended its answer before the headers were complete."""

    status = 502
    slug = "bad-gateway"
    title = "A service gave no proper answer"

    def __init__(self, service: str) -> None:
        super().__init__(f"The {service} service gave no proper answer.", service=service)


class UpstreamTimeout(Problem):
    status = 504
    slug = "upstream-timeout"
    title = "A service took too long to answer"

    def __init__(self, service: str, seconds: float) -> None:
        super().__init__(
            f"The {service} service did not answer within {seconds:g} s. What was asked for may still happen: "
            "repeat it with the same Idempotency-Key.",
            service=service,
        )


class BodyTooSlow(Problem):
    status = 408
    slug = "request-timeout"
    title = "The body did not arrive in time"


class ClientGone(Problem):
    """Nobody reads it; it names the outcome in logs and metrics."""

    status = 499
    slug = "client-closed-request"
    title = "The client went away"


class RateLimited(TooManyRequests):
    """`limit`, `used`, `window_seconds` and, for a business, `plan` stand in the problem."""
