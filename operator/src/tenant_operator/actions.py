"""Does what `reconcile` decides: at the API server, in Kafka, on the operator's topics.

Called by `reconciler`, for one object at a time; `controller` has it list all streams and Secrets anew (`refresh`).
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from servicekit.faults import reached
from servicekit.settings import KafkaSettings
from tenant_operator import manifests
from tenant_operator.cluster import Cluster
from tenant_operator.domain import FINALIZER, StreamState, TenantObject, WantedStream, micro_time
from tenant_operator.errors import ConflictError, KafkaFailedError
from tenant_operator.last_seen import LastSeen
from tenant_operator.manifests import Credentials, Regarding
from tenant_operator.metrics import ACTIONS
from tenant_operator.objects import Objects
from tenant_operator.reconcile import (
    Action,
    AddFinalizer,
    Announce,
    DropStream,
    Forget,
    Publish,
    PutStream,
    RemoveFinalizer,
)
from tenant_operator.records import Records
from tenant_operator.settings import OperatorSettings
from tenant_operator.streams import Streams
from tenant_operator.workqueue import Key

log = structlog.get_logger(__name__)


class Actions:
    """Every method raises ActionFailedError or one of its kinds; each can be done again."""

    def __init__(
        self,
        settings: OperatorSettings,
        kafka: KafkaSettings,
        cluster: Cluster,
        streams: Streams,
        records: Records,
        objects: Objects,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._cluster = cluster
        self._streams = streams
        self._records = records
        self._objects = objects
        self._secrets = LastSeen[Credentials]()
        self._authority: str | None = None

    async def refresh(self) -> None:
        """Lists all tenants' streams and Secrets; a few requests, however many tenants there are.

        Reads the brokers' authority again too, as its file may be replaced while we run.
        """
        await self._streams.refresh()
        self._authority = await asyncio.to_thread(_authority, self._kafka)
        await self._secrets.refresh(partial(self._cluster.credentials, self._authority))

    def stream(self, tenant: TenantObject) -> StreamState:
        """What there is of a tenant's stream, as of the last listing and what was done since."""
        found = self._secrets.get(manifests.secret_name(tenant.name))
        mine = found is not None and found.tenant_id == str(tenant.tenant_id)
        outdated = found is not None and not found.current
        return replace(self._streams.state(tenant.name), secret=mine, outdated=outdated)

    async def do(self, tenant: TenantObject, action: Action) -> None:
        key = Key("Tenant", tenant.name)
        log.info("action", action=type(action).__name__, generation=tenant.generation)
        match action:
            case AddFinalizer():
                await self.set_finalizers(key, [*tenant.finalizers, FINALIZER])
            case RemoveFinalizer():
                await self.set_finalizers(
                    Key("Tenant", tenant.name), [name for name in tenant.finalizers if name != FINALIZER]
                )
            case PutStream(stream, first):
                await self._put_stream(stream, first=first)
            case DropStream(slug):
                await self._streams.drop(slug)
                name = manifests.secret_name(slug)
                with self._secrets.changing(name):
                    await self._cluster.delete_secret(name)
                    self._secrets.drop(name)
            case Publish(record):
                await self._records.publish(record)
            case Forget():
                await self._records.forget(tenant.tenant_id)
            case Announce():
                await self.announce(manifests.about("Tenant", tenant.name, tenant.uid), action)
        ACTIONS.labels(type(action).__name__).inc()
        reached(f"operator.{type(action).__name__}")

    async def set_finalizers(self, key: Key, finalizers: Sequence[str]) -> None:
        """Sets the object's finalizers; does nothing when it has gone meanwhile."""
        body = self._objects.get(key)
        if body is not None:
            self._objects.update(key, await self._cluster.set_finalizers(body, list(finalizers)))

    async def _put_stream(self, stream: WantedStream, *, first: bool) -> None:
        """The Secret first: a password that Kafka knows and nobody holds would be of no use."""
        name, tenant_id = manifests.secret_name(stream.slug), str(stream.tenant_id)
        present = await self._cluster.read_secret(name) if name in self._secrets else None
        mine = present is not None and manifests.tenant_id_in(present) == tenant_id
        password = manifests.password_in(present) if present is not None and mine else None
        # Topics that are this tenant's come with its Secret, which is made first. Once services were told of them
        # they are its own without it, too: somebody may have put a Secret there that does not say whose it is.
        if first and not mine and (present is not None or not self._streams.state(stream.slug).empty):
            # Left by a business of that name whose finalizer was taken away by hand: not for this one to read.
            await self._streams.drop(stream.slug)
        known = self._secrets.get(name)
        if password is None or known is None or not known.current:
            password = password or secrets.token_urlsafe(32)
            secret = manifests.credentials_secret(
                stream.slug,
                tenant_id,
                self._settings.tenants_namespace,
                password,
                bootstrap=self._settings.tenant_kafka_bootstrap or self._kafka.bootstrap,
                protocol=self._kafka.security_protocol,
                authority=self._authority,
            )
            with self._secrets.changing(name):
                await self._cluster.put_secret(secret)
                reached("operator.secret-made")
                self._secrets.put(name, Credentials(tenant_id, current=True))
        await self._streams.put(stream, password)

    async def announce(self, about: Regarding, event: Announce) -> None:
        """Writes an Event. A receipt (one with `rows`) has a fixed name, so that it is there only once."""
        now = micro_time(datetime.now(UTC))
        suffix = secrets.token_hex(8) if event.rows is None else f"{about['uid'][:8]}.{event.reason.lower()}"
        body = manifests.event(
            about,
            f"{about['name']}.{suffix}",
            kind=event.kind,
            reason=event.reason,
            message=event.message,
            now=now,
            rows=event.rows,
        )
        try:
            await self._cluster.create_event(body)
        except ConflictError:
            log.debug("told before", name=body["metadata"]["name"])


def _authority(kafka: KafkaSettings) -> str | None:
    """The certificates by which the brokers are known; None where the system's own do. Raises KafkaFailedError."""
    if not kafka.ca_location:
        return None
    try:
        return Path(kafka.ca_location).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KafkaFailedError(f"The file of Kafka's authority cannot be read: {error}") from error
