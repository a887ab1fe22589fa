"""The stand-in's settings, from `STRIPE_STANDIN_*` variables of the environment; read by `__main__`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

API_VERSION = "2026-08-26.dahlia"
"""The version of Stripe's API that the answers follow: the one of tests/unit/stripe_standin/stripe_spec.json."""


@dataclass(frozen=True, slots=True)
class StandinSettings:
    """`state_file` keeps the state between runs; without one it lives in memory. No `webhook_url`: no webhooks."""

    host: str = "127.0.0.1"
    port: int = 12111
    api_key: str = "sk_test_standin"
    webhook_url: str | None = None
    webhook_secret: str = "whsec_standin"  # noqa: S105 - what the sample configuration names; guards nothing
    state_file: str | None = None
    public_url: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "StandinSettings":
        """Raises ValueError when the port is no number."""
        given = {
            name: environ[f"STRIPE_STANDIN_{name.upper()}"]
            for name in ("host", "api_key", "webhook_url", "webhook_secret", "state_file", "public_url")
            if environ.get(f"STRIPE_STANDIN_{name.upper()}")
        }
        port = environ.get("STRIPE_STANDIN_PORT", "12111")
        if not port.isdigit() or int(port) > 65535:
            raise ValueError(f"STRIPE_STANDIN_PORT: {port!r} is not a port")
        return cls(port=int(port), **given)

    @property
    def base_url(self) -> str:
        """Where a browser finds the hosted pages."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
