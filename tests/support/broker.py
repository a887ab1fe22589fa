"""One Kafka for the session, with every platform topic and, for each service, the user and ACLs of the real stack.

Used by tests/conftest.py. Topics are shared by all tests: a test looks for its own tenants' records.
"""

import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from devstack.kafka import Door, Kafka, create_topics, create_user
from servicekit.settings import KafkaSettings


class Broker:
    """A running broker; `close` ends it and removes its files.

    Each of the services named in `doors` reaches it at a port of its own, where something has to pass it on to the
    door's.
    """

    def __init__(self, doors: Mapping[str, Door] | None = None) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="slotwright-test-"))
        self.doors = doors or {}
        self._kafka = Kafka(self._home / "kafka", doors=tuple(self.doors.values()))
        self._passwords: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """At the same port as before, with the topics and users that it had."""
        before = self._kafka.port
        self._kafka.start()
        assert before in {0, self._kafka.port}, (
            f"{before} was taken: those who use this Kafka would not find it"
        )
        self._admin = AdminClient(dict(self._kafka.client_config()))
        create_topics(self._admin)
        for service, password in self._passwords.items():
            create_user(self._admin, service, password, any_group=True)

    def kill(self, *, lose_data: bool = False) -> None:
        """SIGKILL; until `start` there is no Kafka."""
        running = self._kafka.running()
        running.kill()
        running.wait(30)
        if lose_data:
            shutil.rmtree(self._home / "kafka")

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Meanwhile it takes connections and answers nothing."""
        process = self._kafka.running()
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def has_snapshot(self) -> bool:
        """Whether Kafka has written one of its metadata: see devstack.kafka for what it loses without."""
        return any((self._home / "kafka").glob("data/__cluster_metadata-0/*.checkpoint"))

    def super_user(self) -> dict[str, str]:
        """librdkafka's configuration for the test itself."""
        return self._kafka.client_config()

    def service_env(self, service: str) -> dict[str, str]:
        """The settings KAFKA_* of a service, as its own user, whose rights end at the list of topics."""
        if service not in self._passwords:
            password = self._passwords[service] = secrets.token_urlsafe(16)
            create_user(self._admin, service, password, any_group=True)
            # The controller has it before the broker has: its first login would be refused, and told in its log.
            login = {"sasl.username": service, "sasl.password": password}
            AdminClient({**self._kafka.client_config(), **login, "log_level": 0}).list_topics(timeout=30)
        door = self.doors.get(service)
        return {
            "KAFKA_BOOTSTRAP": f"127.0.0.1:{door.reached_at if door else self._kafka.port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_USERNAME": service,
            "KAFKA_PASSWORD": self._passwords[service],
        }

    def settings(self, service: str) -> KafkaSettings:
        """The same for a client in the test's own process."""
        env = self.service_env(service)
        return KafkaSettings(
            bootstrap=env["KAFKA_BOOTSTRAP"],
            security_protocol="SASL_PLAINTEXT",
            username=env["KAFKA_USERNAME"],
            password=SecretStr(env["KAFKA_PASSWORD"]),
        )

    def close(self) -> None:
        """By SIGKILL: what a shutdown in order would write first goes with the files."""
        self.kill()
        shutil.rmtree(self._home)
