"""Every process of ours in the local stack, and its environment: the one place that says how they are wired.

Used by `stack`. Each gets what it needs and no more: its own database role, its own Kafka user, the keys it works
with. A value here is what the charts of a cluster take from Secrets and values.
"""

import json
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.state import StackFolder

GATEWAY_PORT = 8080
HTTP_SERVICES = ("auth", "business", "booking", "scheduler", "notification", "billing", "analytics", "web")
"""All that answer HTTP requests, if only those of health checks."""
DATABASE_SERVICES = HTTP_SERVICES[:-1]
_ROUTED = tuple(name for name in HTTP_SERVICES if name != "scheduler")
_LEASE_SECONDS = 30
"""On a slow machine the API server may not answer for ten seconds while a dozen processes start beside it, and an
operator that loses its Lease has failed to start. After a crash the next one waits for so long."""


@dataclass(frozen=True)
class Command:
    """A process: what to run, its own part of the environment, and where it answers."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    url: str
    ready: str = "/readyz"
    """What answers 200 once it can work."""


@dataclass(frozen=True)
class Backing:
    """How the backing servers are reached, known once they run."""

    postgres_port: int
    kafka_port: int
    smtp_port: int
    mail_url: str
    stripe_url: str | None
    """None when the real Stripe is used."""
    operator_kubeconfig: Path


def _sealing_key() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()


class Wiring:
    """The environment of each process, from the folder's ports and secrets."""

    def __init__(self, folder: StackFolder, gateway_port: int | None = None) -> None:
        self._folder = folder
        self._gateway = folder.port("gateway", GATEWAY_PORT, wanted=gateway_port)
        self._ports = {name: folder.port(name) for name in (*HTTP_SERVICES, "operator")}

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self._gateway}"

    @property
    def uses_stripe(self) -> bool:
        """Whether billing talks to Stripe itself: with a key of its test mode in the environment."""
        return bool(os.environ.get("STRIPE_API_KEY"))

    @property
    def stripe_key(self) -> str:
        """The one in the environment, which makes the stack talk to Stripe, or the stand-in's."""
        return os.environ.get("STRIPE_API_KEY") or f"sk_test_{self._folder.secret('stripe-key')}"

    @property
    def webhook_secret(self) -> str:
        return os.environ.get("STRIPE_WEBHOOK_SECRET") or f"whsec_{self._folder.secret('stripe-webhook')}"

    def database_password(self, service: str) -> str:
        return self._folder.secret(f"database-{service}")

    def kafka_password(self, user: str) -> str:
        return self._folder.secret(f"kafka-{user}")

    def migration_url(self, service: str, backing: Backing) -> str:
        """As the database's owner; no service gets it."""
        return self._database(service, f"{service}_owner", backing)

    def commands(self, backing: Backing) -> dict[str, Command]:
        """All processes of ours, by name."""
        found = {name: self._command(name, "all", self._service(name, backing)) for name in HTTP_SERVICES}
        gateway = {
            "UPSTREAMS": json.dumps({name: self._url(name) for name in _ROUTED}),
            # web calls on behalf of visitors, and says for whom.
            "TRUSTED_PROXIES": json.dumps(["127.0.0.1/32"]),
            "PORT": str(self._gateway),
        }
        found["gateway"] = self._command("gateway", "all", self._kafka("gateway", backing) | gateway)
        lease = {"LEASE_SECONDS": str(_LEASE_SECONDS)}
        operator = self._command(
            "tenant_operator", "run", self._kafka("operator", backing) | lease, "operator"
        )
        found["operator"] = Command(
            operator.argv, {**operator.env, "KUBECONFIG": str(backing.operator_kubeconfig)}, operator.url
        )
        return found

    def stripe_standin(self) -> Command:
        """The stand-in for Stripe; its state is kept, so that customers outlive a restart."""
        port = self._folder.port("stripe", 12111)
        url = f"http://127.0.0.1:{port}"
        env = {
            "PORT": str(port),
            "API_KEY": self.stripe_key,
            "WEBHOOK_URL": f"{self.public_url}/webhooks/stripe",
            "WEBHOOK_SECRET": self.webhook_secret,
            "STATE_FILE": str(self._folder.path / "stripe.sqlite"),
            "PUBLIC_URL": url,
        }
        return Command(
            (sys.executable, "-m", "stripe_standin"),
            {f"STRIPE_STANDIN_{key}": value for key, value in env.items()},
            url,
            "/_standin/health",
        )

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._gateway if name == 'gateway' else self._ports[name]}"

    def _command(self, module: str, role: str, env: Mapping[str, str], name: str | None = None) -> Command:
        name = name or module
        given = {
            "HOST": "127.0.0.1",
            "PORT": str(self._ports.get(name, 0)),
            "PUBLIC_URL": self.public_url,
            "JWKS_URL": f"{self._url('auth')}/.well-known/jwks.json",
            **env,
        }
        return Command(
            (sys.executable, "-m", module, role),
            {f"SLOTWRIGHT_{key}": value for key, value in given.items()},
            self._url(name),
        )

    def _service(self, name: str, backing: Backing) -> dict[str, str]:
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(backing.smtp_port)}
        own: dict[str, dict[str, str]] = {
            "auth": {**mail, "ENCRYPTION_KEY": self._folder.secret("encryption-key", _sealing_key)},
            "booking": {"LINK_KEY": self._folder.secret("link-key")},
            "notification": {
                **mail,
                "LINK_KEY": self._folder.secret("link-key"),
                "WEBHOOK_KEY": self._folder.secret("webhook-key", _sealing_key),
                # A developer's own server may be told.
                "OUTBOUND_ALLOW_HTTP": "true",
                "OUTBOUND_ALLOWED_NETWORKS": json.dumps(["127.0.0.0/8", "::1/128"]),
            },
            "billing": {
                "STRIPE_API_KEY": self.stripe_key,
                "STRIPE_WEBHOOK_SECRET": self.webhook_secret,
                **({"STRIPE_API_BASE": backing.stripe_url} if backing.stripe_url else {}),
            },
            "web": {"GATEWAY_URL": self.public_url, "COOKIE_KEY": self._folder.secret("cookie-key")},
        }
        env = own.get(name, {})
        if name in DATABASE_SERVICES:
            env = {
                **env,
                **self._kafka(name, backing),
                "DATABASE_URL": self._database(name, f"{name}_app", backing),
            }
        return env

    def _database(self, service: str, user: str, backing: Backing) -> str:
        password = self.database_password(service)
        return f"postgresql://{user}:{password}@127.0.0.1:{backing.postgres_port}/{service}"

    def _kafka(self, user: str, backing: Backing) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP": f"127.0.0.1:{backing.kafka_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_USERNAME": user,
            "KAFKA_PASSWORD": self.kafka_password(user),
            "KAFKA_GROUP_PREFIX": "",
        }
