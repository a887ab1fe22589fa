"""Settings every service shares, read from `SLOTWRIGHT_*` environment variables; a service derives its own.

Secrets are SecretStr, so that no log line or traceback shows them.
"""

import sys
from collections.abc import Callable
from typing import Literal, TypeVar

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """What every process takes, gateway and web included."""

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_", extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="The address to listen at; images set 0.0.0.0.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="The port to listen at; 0 takes any free one."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The lowest level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="`json` writes one object a line, `console` is for people to read."
    )
    public_url: str = Field(default="http://127.0.0.1:8080", description="The gateway as a browser sees it.")
    otlp_endpoint: str | None = Field(
        default=None, description="Where traces are sent by OTLP/HTTP; when not set, none are kept."
    )
    max_body_bytes: int = Field(
        default=1024 * 1024, gt=0, description="The largest body of a request; a larger one is answered 413."
    )
    idle_seconds: int = Field(
        default=620,
        gt=0,
        description="How long an idle connection stays open. It must be longer than any proxy in front keeps one:"
        " otherwise the proxy now and then sends a request on a connection that was just closed, and"
        " answers 502.",
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        description="A process that is told to stop goes on answering until no request has come for so long,"
        " and for 4 times that at most.",
    )


class BehindGateway(Settings):
    """Settings of a service that limits what one client does, too; see servicekit.http.clients."""

    behind_gateway: bool = Field(
        default=True,
        description="Whether clients are told apart by the X-Forwarded-For that the gateway sets, or by their"
        " connection's address.",
    )


def from_environment(program: str, wanted: Callable[[], S]) -> S | None:
    """The settings of a process that starts; None after stderr was told which variables are wrong."""
    try:
        return wanted()
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in item["loc"]).upper()
            sys.stderr.write(f"{program}: setting SLOTWRIGHT_{name}: {item['msg']}\n")
        return None


class KafkaSettings(BaseSettings):
    """How to reach the brokers."""

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_KAFKA_", extra="ignore", frozen=True)

    bootstrap: str = Field(default="127.0.0.1:9092", description="The brokers, as `host:port,…`.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="The protocol of connections to the brokers."
    )
    sasl_mechanism: str = Field(
        default="SCRAM-SHA-512", description="The SASL mechanism, where the protocol has SASL."
    )
    username: str | None = Field(default=None, description="The Kafka user, where the protocol has SASL.")
    password: SecretStr | None = Field(default=None, description="The Kafka user's password.")
    ca_location: str | None = Field(
        default=None,
        description="A file with the CA certificates for the brokers; the system's own when not set.",
    )
    group_prefix: str = Field(
        default="", description="A prefix of the names of consumer groups, so that tests run apart."
    )
    session_seconds: float = Field(
        default=10,
        ge=1,
        description="The session timeout of consumers: for so long, a killed one keeps its partitions from the"
        " others. Brokers take no less than their `group.min.session.timeout.ms`, which is 6 seconds by"
        " default.",
    )

    def client_config(self) -> dict[str, str | int | bool]:
        """The librdkafka configuration that every client of ours starts from."""
        config: dict[str, str | int | bool] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            config["sasl.mechanism"] = self.sasl_mechanism
            config["sasl.username"] = self.username or ""
            config["sasl.password"] = self.password.get_secret_value() if self.password else ""
        if self.ca_location:
            config["ssl.ca.location"] = self.ca_location
        return config


class DatabaseSettings(BaseSettings):
    """How the service reaches its own database, as itself and, for `migrate` alone, as the database's owner.

    A URL may hold its password, or leave it to the variable beside it: a cluster's Secrets hold bare passwords.
    """

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(
        default=SecretStr(""), description="`postgresql://…` as the service's own user, which owns nothing."
    )
    database_password: SecretStr | None = Field(
        default=None, description="That user's password, where the URL has none."
    )
    migration_database_url: SecretStr = Field(
        default=SecretStr(""), description="`postgresql://…` as the database's owner; only `migrate` uses it."
    )
    migration_database_password: SecretStr | None = Field(
        default=None, description="The owner's password, where the URL has none."
    )
    database_pool_size: int = Field(default=8, ge=2, description="The most connections of one process.")

    def conninfo(self) -> str:
        """libpq's connection string of the service itself."""
        return _conninfo(self.database_url, self.database_password)

    def migration_conninfo(self) -> str:
        """The same of the database's owner."""
        return _conninfo(self.migration_database_url, self.migration_database_password)


_KEEPALIVES = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
_USER_TIMEOUT = "-c tcp_user_timeout=30000"
SERVER_TCP_TIMEOUTS = f"{_KEEPALIVES} {_USER_TIMEOUT}"
"""Makes the server drop a client whose machine has vanished, and its locks, within half a minute. By default TCP
waits two hours, or a quarter of an hour where the client has something to acknowledge. Goes into libpq's
`options`."""
CLIENT_TCP_TIMEOUTS = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""The same for libpq's end of a connection, for a server that has vanished."""


def server_of(conninfo: str) -> str:
    """`host:port` of a connection string, for a person to read: libpq's own messages have the address at most."""
    parts = conninfo_to_dict(conninfo)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"


def _conninfo(url: SecretStr, password: SecretStr | None) -> str:
    given = {} if password is None else {"password": password.get_secret_value()}
    return make_conninfo(url.get_secret_value(), **given)


class TokenSettings(BaseSettings):
    """How the service checks tokens: whose they are and where the keys are found."""

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_", extra="ignore", frozen=True)

    jwks_url: str = Field(
        default="http://127.0.0.1:8001/.well-known/jwks.json",
        description="The URL of auth's public keys; auth itself does not use it.",
    )
    token_issuer: str | None = Field(
        default=None,
        description="The `iss` claim that auth writes and all services require; the public URL when not set.",
    )
    token_audience: str = Field(
        default="slotwright", description="The `aud` claim that auth writes and all services require."
    )
