"""One operator at a time, by a Lease: records are numbered by their one writer.

A second operator waits. One that cannot renew for as long as the Lease lasts ends its process, since another may
have begun. On a clean stop the Lease is given back, so that a successor need not wait.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog

from servicekit.health import Heartbeat
from servicekit.loops import pause_for
from tenant_operator.cluster import Cluster
from tenant_operator.domain import Body, micro_time
from tenant_operator.errors import ClusterFailedError, ConflictError
from tenant_operator.metrics import LEADING

log = structlog.get_logger(__name__)

LEASE = "slotwright-operator"
# Of the time that the Lease lasts.
_RENEWED_AFTER = 4 / 15
_TRY_SECONDS = 1.0


class LeaseLostError(Exception):
    """The Lease could not be renewed in time, or another holds it."""


class Leader:
    """A loop for the runtime that holds the Lease; `held` is set once it does."""

    name = "operator.leader"

    def __init__(
        self, cluster: Cluster, lease_seconds: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """A longer Lease rides out a slower API server, and keeps a successor waiting longer after a crash."""
        self._cluster = cluster
        self._monotonic = monotonic
        self._lasts = lease_seconds
        self._renew = lease_seconds * _RENEWED_AFTER
        # So long after its last renewal the Lease is given up: the rest of it is the time for the process to end.
        self._keep = lease_seconds - self._renew
        self._identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
        self._seen: tuple[str, float] | None = None
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.held = asyncio.Event()
        self.standby = False
        """Another holds the Lease, as the last attempt has seen: all that there is to do is wait for it."""

    async def ready(self) -> str | None:
        """One that waits is as ready as it can be: Kubernetes would take a rollout with it for a failed one."""
        return None if self.held.is_set() or self.standby else "the Lease cannot be read"

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around what must not go on once the Lease is another's: it is given back after the last of them."""
        self._working += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._idle.set()

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Opens the way to the API server, acquires and renews. Raises LeaseLostError."""
        await self._cluster.open()
        try:
            await self._hold(stop, beat)
        finally:
            await self._cluster.close()

    async def _hold(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        renewed = self._monotonic()
        while not stop.is_set():
            beat.beat()
            begun = self._monotonic()
            left = min(renewed + self._keep - begun, self._renew) if self.held.is_set() else self._keep
            try:
                # One that hangs leaves time for another: it may be that connection's fault alone.
                async with asyncio.timeout(left):
                    mine = await self._take()
            except (ClusterFailedError, TimeoutError) as error:
                log.warning("lease", error=str(error) or "The API server did not answer in time.")
                mine = self.standby = False
            if mine:
                renewed = begun
                if not self.held.is_set():
                    log.info("leading", holder=self._identity)
                    LEADING.set(1)
                    self.held.set()
                    self.standby = False
            elif self.held.is_set() and self._monotonic() - renewed > self._keep:
                raise LeaseLostError("the Lease could not be renewed in time")
            await pause_for(self._renew if mine else _TRY_SECONDS, stop)
        await self._idle.wait()
        if self.held.is_set():
            await self._give_back()

    async def _take(self) -> bool:
        """One attempt to acquire or renew; False when another holds it."""
        lease = await self._cluster.read_lease(LEASE)
        if lease is None:
            await self._cluster.create_lease(self._body({}, transitions=0))
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in {"", self._identity}:
            if self.held.is_set():
                raise LeaseLostError(f"{holder} holds the Lease")
            if not self._expired(lease, spec.get("leaseDurationSeconds") or self._lasts):
                self.standby = True
                return False
        changes = (spec.get("leaseTransitions") or 0) + (holder != self._identity)
        try:
            await self._cluster.replace_lease(self._body(lease, transitions=changes))
        except ConflictError:
            return False
        return True

    def _expired(self, lease: Body, seconds: int) -> bool:
        """By our own clock since we saw its last change, as clocks of two machines need not agree."""
        version = lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen[0] != version:
            self._seen = version, self._monotonic()
        return self._monotonic() - self._seen[1] > seconds

    async def _give_back(self) -> None:
        try:
            lease = await self._cluster.read_lease(LEASE)
            if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                await self._cluster.replace_lease(lease)
        except ClusterFailedError as error:
            log.warning("the lease could not be given back", error=str(error))

    def _body(self, lease: Body, *, transitions: int) -> Body:
        now = micro_time(datetime.now(UTC))
        before = lease.get("spec") or {}
        same = before.get("holderIdentity") == self._identity
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": lease.get("metadata") or {"name": LEASE},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._lasts,
                "acquireTime": before.get("acquireTime") if same else now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
