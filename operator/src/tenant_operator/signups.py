"""Makes Tenant objects of sign-ups; `auth` sees the tenant come and settles the sign-up.

A sign-up that cannot become a Tenant (the name was taken meanwhile, a rule of the CRD) is passed over with a log
line; auth gives it up after a while. Names and addresses are never logged.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from contracts.auth import SignupRequested
from contracts.envelope import MalformedEventError, parse_headers
from servicekit.health import Heartbeat
from servicekit.kafka import Received, consumer, readable, received
from servicekit.loops import backoff, pause_for, wait_until
from servicekit.settings import KafkaSettings
from tenant_operator.cluster import Cluster
from tenant_operator.domain import SIGNUP
from tenant_operator.errors import ClusterFailedError, ConflictError, RefusedError
from tenant_operator.leader import Leader
from tenant_operator.manifests import tenant_of_signup
from tenant_operator.metrics import MALFORMED, SIGNUPS

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.25
_MAX_BACKOFF = 30.0


class Signups:
    """A loop for the runtime: one consumer group, whose offset moves when the Tenant exists."""

    name = "operator.signups"

    def __init__(self, kafka: KafkaSettings, cluster: Cluster, leader: Leader) -> None:
        self._kafka = kafka
        self._cluster = cluster
        self._leader = leader

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Consumes until told to stop; an API server that is away is waited for."""
        with self._leader.working():
            await wait_until(self._leader.held, stop, beat)
            await self._consume(stop, beat)

    async def _consume(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)
        loop = asyncio.get_running_loop()
        client = consumer(self._kafka, group=self.name, client_id=self.name)
        failures = 0
        try:
            await loop.run_in_executor(thread, client.subscribe, [SignupRequested.TOPIC])
            while not stop.is_set():
                beat.beat()
                message = await loop.run_in_executor(thread, client.poll, _POLL_SECONDS)
                if message is None or not readable(self.name, message):
                    continue
                try:
                    await self._take(received(message))
                except ClusterFailedError as error:
                    failures += 1
                    seconds = backoff(failures, longest=_MAX_BACKOFF)
                    log.warning("sign-up waits", error=str(error), retry_in=seconds)
                    await loop.run_in_executor(thread, _seek_back, client, message)
                    await pause_for(seconds, stop)
                else:
                    failures = 0
                    await loop.run_in_executor(thread, _commit, client, message)
        finally:
            await loop.run_in_executor(thread, client.close)
            thread.shutdown(wait=False)

    async def _take(self, message: Received) -> None:
        """Raises ClusterFailedError when it has to be tried again."""
        if message.value is None:
            return
        try:
            event = parse_headers(message.headers, message.value).event()
        except MalformedEventError as error:
            SIGNUPS.labels("malformed").inc()
            MALFORMED.labels(message.topic).inc()
            log.error("sign-up cannot be read", offset=message.offset, error=str(error))
            return
        if isinstance(event, SignupRequested):
            await self._create(event)

    async def _create(self, signup: SignupRequested) -> None:
        known = {"signup_id": str(signup.signup_id), "tenant": signup.slug}
        try:
            await self._cluster.create(tenant_of_signup(signup))
        except ConflictError:
            present = await self._cluster.read("Tenant", signup.slug)
            annotations = (present or {}).get("metadata", {}).get("annotations") or {}
            if annotations.get(SIGNUP) != str(signup.signup_id):
                SIGNUPS.labels("refused").inc()
                log.warning("sign-up refused: the name is taken", **known)
        except RefusedError as error:
            SIGNUPS.labels("refused").inc()
            log.warning("sign-up refused", error=str(error), **known)
        else:
            SIGNUPS.labels("created").inc()
            log.info("tenant made of a sign-up", **known)


def _seek_back(client: Consumer, message: Message) -> None:
    client.seek(TopicPartition(message.topic() or "", message.partition() or 0, message.offset() or 0))


def _commit(client: Consumer, message: Message) -> None:
    try:
        client.commit(message=message, asynchronous=False)
    except KafkaException as error:
        # Read once more after a restart: the Tenant exists then, and carries this sign-up's id.
        log.warning("offset not committed", reason=str(error))
