"""The gateway's own settings."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.routing import UPSTREAMS
from servicekit.settings import Settings


def _base_urls(value: dict[str, str]) -> dict[str, str]:
    for name, url in value.items():
        if name not in UPSTREAMS:
            raise ValueError(f"{name} is none of {', '.join(UPSTREAMS)}")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
            raise ValueError(f"{name} must be a base URL such as http://{name}:8000")
    return {name: url.rstrip("/") for name, url in value.items()}


def _origins(value: list[str]) -> list[str]:
    for origin in value:
        parts = urlsplit(origin)
        if f"{parts.scheme}://{parts.netloc}" != origin or not parts.netloc:
            raise ValueError(f"{origin!r} is not an origin such as https://app.example")
    return value


class GatewaySettings(Settings):
    """Times are in seconds; limits are requests a minute, in each replica for itself."""

    upstreams: Annotated[dict[str, str], AfterValidator(_base_urls)] = Field(
        description="The base URL of each service. A service without one counts as down."
    )
    cors_origins: Annotated[list[str], AfterValidator(_origins)] = Field(
        default=[],
        description="Origins whose pages may call the API with a token. Public routes allow every origin.",
    )
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        default=[],
        description="The networks whose X-Forwarded-For is trusted: the ingress, and web, which calls on visitors'"
        " behalf.",
    )
    address_requests_per_minute: int = Field(
        default=600, ge=1, description="Requests without a token from one client address (an IPv6 /64)."
    )
    visitor_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="The share of a business's limit for public requests that one client address can use.",
    )
    sign_in_requests_per_minute: int = Field(
        default=30, ge=1, description="Sign-ins, sign-ups and password resets from one client address."
    )
    admin_requests_per_minute: int = Field(
        default=600, ge=1, description="Requests by one administrator of the platform."
    )
    connect_timeout: float = Field(default=2, gt=0, description="How long connecting to a service may take.")
    queue_timeout: float = Field(
        default=20,
        gt=0,
        description="How long a request waits while all connections to its service are in use.",
    )
    answer_timeout: float = Field(
        default=30,
        gt=0,
        description="How long an upstream may send nothing, before its answer and within it.",
    )
    upstream_connections: int = Field(
        default=200, ge=1, description="Connections to one upstream at a time, at most."
    )
    openapi_seconds: float = Field(
        default=60, ge=0, description="How long the merged OpenAPI document is kept."
    )
