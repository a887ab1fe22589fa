"""The real parts of a chaos run, each of which may be killed at any moment and is started again at once.

Two booking servers and a second relay share a database, so that nothing is right merely because one process does it
all. Services reach PostgreSQL, Kafka and the mail server through proxies, and clients booking. The servers are the
run's own.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import httpx
import psycopg
from psycopg.rows import DictRow, dict_row

import support.tenants
from booking.catalog import CatalogFollower
from chaos.history import History
from chaos.launch import Clock, start
from chaos.owners import enter
from chaos.smtp import MailGate
from chaos.town import Shop
from devstack.local_http import LOCAL_HTTP
from devstack.processes import free_port
from servicekit.db import Database
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases, ServiceDatabase
from support.events import Topics, until
from support.mail import Mailpit
from support.processes import SOON_GONE
from support.programs import Program
from support.proxy import Proxy, Tap

LINK_KEY = "k" * 40
HOLD_SECONDS = 25
OFFER_SECONDS = 30
"""How long a time is kept for who is offered it on the waitlist: so much that its mail mostly comes before."""


class Part:
    """One process. It is started again whenever it ends, with the next named fault point that waits for it."""

    def __init__(self, name: str, command: list[str], env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.port = int(env.get("port") or free_port())
        self.log = folder / f"{name}.log"
        self.log.touch()
        self._command = command
        settings = {
            f"SLOTWRIGHT_{key.upper()}": value for key, value in env.items() if not key.startswith("CHAOS_")
        }
        own = {key: value for key, value in env.items() if key.startswith("CHAOS_")}
        self._env = settings | own | {"SLOTWRIGHT_PORT": str(self.port)}
        self._lock = threading.Lock()
        self._faults: list[str] = []
        self.process = self._start("")

    def _start(self, fault: str) -> Program:
        armed = {"SLOTWRIGHT_FAULT": fault} if fault else {}
        return start(self._command, self._env | armed, self.log)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        try:
            return LOCAL_HTTP.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def arm(self, fault: str) -> None:
        """The next process of it kills itself there."""
        with self._lock:
            self._faults.append(fault)

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        process = self.process
        process.kill()
        process.wait(10)

    def mend(self, *, calm: bool) -> bool:
        """Starts it again where it has ended, without a fault when all is to be `calm`; whether it had ended."""
        with self._lock:
            if self.process.poll() is None:
                return False
            if calm:
                self._faults.clear()
            self.process = self._start(self._faults.pop(0) if self._faults else "")
            return True

    def armed(self) -> bool:
        """Whether a fault waits for its next process."""
        return bool(self._faults)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class World:
    """All of them, watched by a thread until `close`."""

    def __init__(
        self, databases: Databases, history: History, folder: Path, minter: TokenMinter, jwks_url: str
    ) -> None:
        self.databases, self.history, self.minter = databases, history, minter
        self.folder = folder
        self.parts: dict[str, Part] = {}
        self.proxies: dict[str, Proxy] = {}
        self.clocks: dict[str, Clock] = {}
        self.database: dict[str, ServiceDatabase] = {}
        self.mails = MailGate(lambda strike, mail: history.fault(strike, "mail", mail=mail))
        self.calm = False
        self._env = {"jwks_url": jwks_url, "public_url": minter.issuer, "link_key": LINK_KEY} | SOON_GONE
        self._env |= {"holds_per_address": "1000", "waitlist_per_address": "1000"}  # all clients have one
        self._stack = ExitStack()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._mend, daemon=True)
        self._watch.start()

    def service(self, name: str, role: str, *, called: str = "", **env: str) -> Part:
        """Starts a process of a service; those of one service share database, proxy and clock."""
        if name not in self.database:
            self.database[name] = self.databases.for_service(name)
            self.clocks[name] = Clock(self.folder / f"{name}.clock")
            self.proxies[f"{name}>postgres"] = self._proxy(self.databases.server.port)
        url = self.database[name].settings.database_url.get_secret_value()
        proxied = url.replace(f":{self.databases.server.port}/", f":{self.proxies[f'{name}>postgres'].port}/")
        given = self._env | {"database_url": proxied} | self.clocks[name].env | env
        part = Part(called or name, [name, role], given, self.folder)
        self.parts[part.name] = part
        return part

    def _proxy(self, target: int, *, port: int = 0, tap: Callable[[], Tap] = Tap) -> Proxy:
        return self._stack.enter_context(closing(Proxy(port or free_port(), target, tap)))

    def gates(self, broker: Broker, mailpit: Mailpit) -> None:
        """Puts proxies before Kafka's doors and the mail server, before anything is started that goes through."""
        for service, door in broker.doors.items():
            self.proxies[f"{service}>kafka"] = self._proxy(door.port, port=door.reached_at)
        self.proxies["notification>smtp"] = self._proxy(mailpit.smtp_port, tap=self.mails.tap)

    def front(self, part: Part) -> str:
        """A URL of it that goes through a proxy."""
        proxy = self.proxies[f"clients>{part.name}"] = self._proxy(part.port)
        return f"http://127.0.0.1:{proxy.port}"

    def ready(self, *, seconds: float = 90) -> None:
        """Waits for all of them."""
        for part in self.parts.values():
            until(part.ready, f"{part.name} is ready: {part.log}", seconds=seconds)

    def _mend(self) -> None:
        while not self._ended.wait(0.05):
            for part in list(self.parts.values()):
                if part.mend(calm=self.calm):
                    self.history.fault("ended", part.name)

    def heal(self) -> None:
        """No more faults: clocks go right, the network is whole, what is armed is disarmed, and all of it runs.

        Strikes at single mails stay armed: in a short run most mails wait for Kafka until then.
        """
        self.calm = True
        for proxy in self.proxies.values():
            proxy.heal()
        for part in self.parts.values():
            part.kill()  # one may wait for a fault point that it has not reached
        self.ready()

    def set_clocks(self, offset: float) -> None:
        """All clocks, ahead of the true time by so many seconds."""
        for clock in self.clocks.values():
            clock.set(offset)

    def rows(self, service: str, statement: str, *values: object) -> list[DictRow]:
        """Past row level security."""
        return self.database[service].rows(statement, *values)

    def change(self, service: str, *statements: str) -> None:
        """Alters the database as its superuser."""
        with psycopg.connect(self.database[service].admin_url) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def close(self) -> None:
        self._ended.set()
        self._watch.join()
        for part in self.parts.values():
            part.stop()
        self._stack.close()


@contextmanager
def whole_world(world: World, mailpit: Mailpit, broker: Broker) -> Iterator[tuple[list[str], str]]:
    """Business, booking, scheduler and notification; gives the URLs of booking's servers and of business.

    They lead through proxies.
    """
    world.gates(broker, mailpit)
    business = world.service("business", "all", **broker.service_env("business"))
    booking = broker.service_env("booking")
    booking |= {"hold_seconds": str(HOLD_SECONDS), "offer_seconds": str(OFFER_SECONDS)}
    first = world.service("booking", "all", called="booking-a", **booking)
    second = world.service("booking", "serve", called="booking-b", **booking)
    world.service("booking", "relay", called="booking-relay", **booking)
    world.service("scheduler", "all", **broker.service_env("scheduler"))
    world.service("notification", "all", **notification_env(world, broker))
    world.ready()
    yield [world.front(first), world.front(second)], world.front(business)


def notification_env(world: World, broker: Broker) -> dict[str, str]:
    """With a lease so short that a run need not wait long for what a crash has left in doubt."""
    own = {
        "smtp_port": str(world.proxies["notification>smtp"].port),
        "send_timeout": "2",
        "lease_seconds": "3",
        "database_pool_size": "12",
    }
    return broker.service_env("notification") | own


_KNOWN = {
    "booking": """SELECT (SELECT count(*) FROM resource WHERE tenant_id = %(id)s)
        + (SELECT count(*) FROM offer WHERE tenant_id = %(id)s)
        + (SELECT count(*) FROM reminder_policy WHERE tenant_id = %(id)s AND version = %(policy)s) - 1 AS n
        FROM tenants WHERE tenant_id = %(id)s""",
    "notification": """SELECT (SELECT count(*) FROM catalog_name WHERE tenant_id = %(id)s) AS n
        FROM tenants WHERE tenant_id = %(id)s""",
}
"""How many staff, rooms and services of a business a service knows, once it knows of it and of its policy."""


def told(world: World, topics: Topics, shops: Iterable[Shop], *services: str) -> None:
    """Publishes all that tells of the businesses, and waits until those services know."""
    for shop in shops:
        for event in shop.events:
            topics.publish(event)
        wait_until_known(world, shop, *services)


def opened(world: World, topics: Topics, shop: Shop, *services: str) -> Shop:
    """The business as its owner enters it, with the ids that it is given; those services know of it then."""
    topics.publish(shop.tenant)
    headers = world.minter.headers(shop.id)
    with httpx.Client(base_url=world.parts["business"].url, headers=headers, timeout=30) as owner:
        until(lambda: owner.get("/v1/business").status_code == 200, "business knows the business")
        entered = enter(shop, owner)
    wait_until_known(world, entered, *services)
    return entered


def wait_until_known(world: World, shop: Shop, *services: str) -> None:
    """Until those services know all of the business."""
    for service in services:
        until(partial(_knows, world, service, shop), f"{service} knows the business")


def _knows(world: World, service: str, shop: Shop) -> bool:
    with psycopg.connect(world.database[service].admin_url, row_factory=dict_row) as conn:
        values = {"id": shop.id, "policy": shop.policy.version}
        found = conn.execute(_KNOWN[service].encode(), values).fetchall()
    rooms = int(service == "booking")
    return [row["n"] for row in found] == [len(shop.staff) + rooms + len(shop.services)]


async def know(world: World, shops: Iterable[Shop]) -> None:
    """Writes the businesses into booking's database, as its consumers would, where no Kafka tells of them."""
    db = Database(world.database["booking"].settings, application="test")
    await db.open()
    try:
        follower = CatalogFollower()
        for shop in shops:
            await support.tenants.know(db, shop.tenant)
            async with db.tenant(shop.id) as conn:
                for member in shop.staff:
                    await follower.staff_changed(conn, member)
                await follower.resource_changed(conn, shop.room)
                for service in shop.services:
                    await follower.service_changed(conn, service)
                await follower.policy_changed(conn, shop.policy)
    finally:
        await db.close()
