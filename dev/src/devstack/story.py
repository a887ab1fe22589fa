"""The main job, done as its users do it: from a Tenant object to a reminder in a mailbox, each step with its proof.

Told by the demo, and by a test. A platform engineer's part goes through kubectl, everybody else's through the
gateway and the mailbox; nothing here looks into a database or a log. May be told again on the same stack.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
from confluent_kafka import Consumer, KafkaException, TopicPartition

from devstack.cluster import ROOT, TENANTS_NAMESPACE
from devstack.kubernetes import KubernetesError, kubectl
from devstack.mailpit import Mailbox

T = TypeVar("T")

SLUG = "riverside"
OWNER = "ada@riverside.example"
"""Both as in dev/samples."""
_SERVICE = "Haircut"
_CUSTOMERS = 8
_REMIND_SECONDS = 10
_LINK = re.compile(r"/set-password#token=(\S+)")


class StoryError(Exception):
    """A step did not come true; the message says which and what was seen."""


@dataclass(frozen=True)
class Step:
    """`tell` does it and answers what proves it, a line each. It raises StoryError."""

    title: str
    tell: Callable[[], list[str]]


@dataclass(frozen=True)
class Places:
    """Where the stack is reached."""

    gateway: str
    mail: str
    kubeconfig: Path


class Story:
    """One telling. `password` is the owner's from an earlier one, None at the first."""

    def __init__(self, places: Places, password: str | None) -> None:
        self.password = password
        self.customer = ""
        """The customer who got the slot: an address."""
        self._kubeconfig = places.kubeconfig
        self._mails = Mailbox(places.mail)
        self._http = httpx.Client(base_url=places.gateway, timeout=30)
        self._owner: dict[str, str] = {}
        self._staff_id = self._service_id = ""
        self._slot: dict[str, Any] = {}
        self._due_at = datetime.min.replace(tzinfo=UTC)
        self._booked: dict[str, Any] = {}
        self._used, self._booked_at = 0, 0.0

    def steps(self) -> Iterator[Step]:
        """In order; each stands on those before it."""
        yield Step("A platform engineer applies two plans and a tenant", self._apply)
        yield Step("The operator provisions the business until it is Ready", self._ready)
        yield Step("Its owner sets a password with the link from the invitation mail", self._set_password)
        yield Step("The owner signs in", self._sign_in)
        yield Step("The owner sets staff, hours and a service", self._set_up)
        yield Step("A customer opens the booking page and sees free times", self._look)
        yield Step("The owner wants customers reminded, a few seconds from now", self._remind)
        yield Step(f"{_CUSTOMERS} customers book the same time at once", self._book)
        yield Step("The booking is confirmed by mail", self._confirmed)
        yield Step("The platform engineer sees what the business uses", self._usage)
        yield Step("The reminder comes by mail at its time, once", self._reminded)
        yield Step("The business reads its own events from its own topic", self._events)
        yield Step("The figures of the day are in", self._figures)

    def close(self) -> None:
        self._http.close()

    # the platform engineer

    def _apply(self) -> list[str]:
        return self._kubectl("apply", "-f", str(ROOT / "dev" / "samples")).splitlines()

    def _ready(self) -> list[str]:
        self._kubectl("wait", "--for=condition=Ready", f"tenant/{SLUG}", "--timeout=90s")
        tenant = self._tenant()
        true = [item["type"] for item in tenant["status"]["conditions"] if item["status"] == "True"]
        billing = tenant["status"]["billing"]
        return [
            f"conditions that are True: {', '.join(sorted(true))}",
            f"Stripe subscription {billing['subscriptionId']}: {billing['state']}",
        ]

    def _usage(self) -> list[str]:
        """As booking counts it in the tenant's status, and as billing shows it to the owner."""
        _until(
            lambda: self._counted() > self._used, "the tenant's status does not count the booking", seconds=90
        )
        told = f"in the tenant's status {time.monotonic() - self._booked_at:.1f} s after the booking"

        def agreed() -> bool:
            metrics = self._as_owner("GET", "/v1/usage").json()["metrics"]
            billed: int = next(item["used"] for item in metrics if item["metric"] == "bookings_per_month")
            return billed == self._counted()

        _until(agreed, "the tenant's status and GET /v1/usage do not tell of the same bookings", seconds=90)
        return [told, *self._kubectl("get", "tenant", SLUG).splitlines()]

    def _counted(self) -> int:
        """This month's bookings as the tenant's status has them."""
        return int(self._tenant()["status"].get("usage", {}).get("bookingsThisMonth", 0))

    def _tenant(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._kubectl("get", "tenant", SLUG, "-o", "json"))
        return found

    def _kubectl(self, *arguments: str) -> str:
        try:
            return kubectl(self._kubeconfig, *arguments)
        except KubernetesError as error:
            raise StoryError(str(error)) from error

    # the owner

    def _set_password(self) -> list[str]:
        if self.password is not None:
            return [f"{OWNER} has one since the story was told before"]
        first = _until(lambda: self._links(OWNER), f"no mail with a link came to {OWNER}")
        password = secrets.token_urlsafe(12)
        answer = self._set(first[-1], password)
        how = "the invitation"
        if answer.status_code in {404, 410}:
            # The link was used, and the password it set is not known here.
            _good(self._http.post("/v1/passwords/reset-requests", json={"email": OWNER}), 202)
            links = _until(lambda: self._links(OWNER)[len(first) :], f"no new link came to {OWNER}")
            answer, how = self._set(links[-1], password), "a mail to set it anew"
        _good(answer, 200)
        self.password = password
        return [f"{how} to {OWNER}: its link answers {answer.status_code}"]

    def _links(self, address: str) -> list[str]:
        found = [_LINK.search(mail["Text"]) for mail in self._mails.to(address)]
        return [link[1] for link in found if link]

    def _set(self, token: str, password: str) -> httpx.Response:
        return self._http.post("/v1/passwords/reset", json={"token": token, "password": password})

    def _sign_in(self) -> list[str]:
        body = {"email": OWNER, "password": self.password, "business": SLUG}
        session = _good(self._http.post("/v1/sessions", json=body), 201).json()
        self._owner = {"Authorization": f"Bearer {session['access_token']}"}
        role = next(item["role"] for item in session["businesses"] if item["slug"] == SLUG)
        me = self._as_owner("GET", "/v1/me").json()
        return [f"POST /v1/sessions answers 201: {me['email']} is {role} of {SLUG}"]

    def _set_up(self) -> list[str]:
        day = {"opens": "00:00", "closes": "00:00"}
        staff = {"name": "Ada", "weekly_hours": [{"weekday": number, **day} for number in range(7)]}
        self._staff_id, one = self._there_or_made("/v1/staff", staff)
        service = {
            "name": _SERVICE,
            "duration_minutes": 30,
            "price_amount": 2500,
            "staff_ids": [self._staff_id],
        }
        self._service_id, other = self._there_or_made("/v1/services", service)
        return [f"staff Ada, open day and night: {one}", f"service {_SERVICE}, 30 min, 25.00 EUR: {other}"]

    def _there_or_made(self, path: str, wanted: dict[str, Any]) -> tuple[str, str]:
        for item in self._as_owner("GET", path).json()["items"]:
            if item["name"] == wanted["name"]:
                return item["id"], "there already"
        made = self._as_owner("POST", path, 201, json=wanted, headers=_key()).json()
        return made["id"], f"POST {path} answers 201"

    def _remind(self) -> list[str]:
        before = self._as_owner("GET", "/v1/reminder-policy")
        start = datetime.fromisoformat(self._slot["starts_at"])
        offset = int((start - datetime.now(UTC)).total_seconds()) - _REMIND_SECONDS
        self._due_at = start - timedelta(seconds=offset)
        rules = [{"offset_seconds": offset, "channel": "email"}]
        headers = {"If-Match": before.headers["ETag"]}
        self._as_owner("PUT", "/v1/reminder-policy", json={"rules": rules}, headers=headers)
        return [f"{offset} s before the start is at {self._due_at:%H:%M:%S} UTC"]

    def _figures(self) -> list[str]:
        """Today's, in the business's own zone."""

        def today() -> dict[str, Any] | None:
            found = self._as_owner("GET", "/v1/analytics/daily").json()
            local = datetime.now(ZoneInfo(found["timezone"])).date().isoformat()
            days: dict[str, Any] = next(day for day in found["items"] if day["date"] == local)
            return days if days["booked"] and days["reminders_sent"] else None

        day = _until(today, "analytics has not counted the booking and its reminder")
        told = {name: day[name] for name in ("booked", "cancelled", "reminders_sent", "reminders_failed")}
        return [f"GET /v1/analytics/daily: {json.dumps(told)}"]

    def _events(self) -> list[str]:
        """With the credentials that the operator has put into a Secret, and no others."""
        where = ("--namespace", TENANTS_NAMESPACE)
        answer = self._kubectl("get", "secret", f"tenant-{SLUG}-kafka", *where, "-o", "json")
        given = {key: base64.b64decode(value).decode() for key, value in json.loads(answer)["data"].items()}
        topic, appointment = given["topic"], self._booked["id"]
        wanted = {"booking.appointment.booked.v1", "notification.message.sent.v1"}
        try:
            found = _until(
                lambda: types if wanted <= set(types := _types(given, appointment)) else None,
                f"{topic} does not hold {' and '.join(sorted(wanted))} of the appointment",
            )
        except KafkaException as error:
            raise StoryError(f"{topic} cannot be read as {given['sasl.username']}: {error}") from error
        return [f"{topic}, read as {given['sasl.username']}:", *(f"  {kind}" for kind in found)]

    def _as_owner(self, method: str, path: str, status: int = 200, **sent: Any) -> httpx.Response:
        headers = self._owner | sent.pop("headers", {})
        return _good(self._http.request(method, path, headers=headers, **sent), status)

    # the customers

    def _look(self) -> list[str]:
        soonest = datetime.now(UTC) + timedelta(minutes=1)
        asked = {
            "service": self._service_id,
            "staff": self._staff_id,
            "from": (soonest - timedelta(days=1)).date().isoformat(),
            "to": (soonest + timedelta(days=2)).date().isoformat(),
        }

        def free() -> list[dict[str, Any]]:
            answer = self._http.get(f"/v1/public/{SLUG}/availability", params=asked)
            slots: list[dict[str, Any]] = answer.json().get("slots", []) if answer.is_success else []
            return [slot for slot in slots if datetime.fromisoformat(slot["starts_at"]) > soonest]

        slots = _until(free, "there are no free times")
        self._slot = slots[0]
        page = _good(self._http.get(f"/b/{SLUG}"), 200)
        if _SERVICE not in page.text:
            raise StoryError(f"the page /b/{SLUG} does not show {_SERVICE}")
        return [
            f"GET /b/{SLUG} answers 200 and shows {_SERVICE}",
            f"{len(slots)} free times in two days, the first at {self._slot['starts_at']}",
        ]

    def _book(self) -> list[str]:
        """All at once; then the one who was first sends the same request again, as after a lost answer."""
        mark, self._used = secrets.token_hex(3), self._counted()
        wishes = [(f"customer{number}.{mark}@home.example", _key()) for number in range(1, _CUSTOMERS + 1)]
        with ThreadPoolExecutor(_CUSTOMERS) as pool:
            answers = list(pool.map(lambda wish: self._wish(*wish), wishes))
        self._booked_at = time.monotonic()
        won = [number for number, answer in enumerate(answers) if answer.status_code == 201]
        lost = [answer for answer in answers if answer.status_code == 409]
        if len(won) != 1 or len(lost) != _CUSTOMERS - 1:
            raise StoryError(f"one should have it: the answers are {[item.status_code for item in answers]}")
        self.customer, self._booked = wishes[won[0]][0], answers[won[0]].json()
        again = self._wish(*wishes[won[0]])
        if (again.status_code, again.json()) != (201, self._booked):
            raise StoryError(f"the same request again answers {again.status_code} {again.text}")
        return [
            f"1 × 201: appointment {self._booked['id']} for {self.customer}",
            f"{len(lost)} × 409: {lost[0].json()['detail']}",
            "the first one's request, sent again under its Idempotency-Key: 201 with the same appointment",
        ]

    def _wish(self, email: str, key: dict[str, str]) -> httpx.Response:
        wish = {
            "service_id": self._service_id,
            "staff_id": self._staff_id,
            "starts_at": self._slot["starts_at"],
            "customer": {"name": "Bea Duarte", "email": email},
            "consent": {"email": True},
        }
        return self._http.post(f"/v1/public/{SLUG}/appointments", json=wish, headers=key)

    def _confirmed(self) -> list[str]:
        (mail, *_) = _until(lambda: self._mails.to(self.customer), f"no mail came to {self.customer}")
        if self._booked["manage_url"] not in mail["Text"]:
            raise StoryError(f"the mail {mail['Subject']!r} lacks the link to change the appointment")
        page = _good(self._http.get(httpx.URL(self._booked["manage_url"]).path), 200)
        return [
            f"{mail['Subject']!r} to {self.customer}",
            f"its link opens a page to move or cancel the appointment: {page.status_code}",
        ]

    def _reminded(self) -> list[str]:
        """The mailbox is asked once more when notification says that it has sent the one."""
        query = {"appointment_id": self._booked["id"]}

        def sent() -> bool:
            items = self._as_owner("GET", "/v1/messages", params=query).json()["items"]
            return any(item["kind"] == "reminder" and item["status"] == "sent" for item in items)

        _until(sent, f"no reminder was sent to {self.customer}", seconds=_REMIND_SECONDS + 30)
        mails = self._mails.to(self.customer)
        reminders = [mail for mail in mails if mail["Subject"] != mails[0]["Subject"]]
        if len(reminders) != 1:
            raise StoryError(f"one reminder should be there: {[mail['Subject'] for mail in mails]}")
        came_at = datetime.fromisoformat(reminders[0]["Created"])
        late = (came_at - self._due_at).total_seconds()
        return [f"{reminders[0]['Subject']!r} to {self.customer}", f"{late:.2f} s after it was due"]


def _types(given: dict[str, str], appointment: str) -> list[str]:
    """The types of the events about the appointment on the business's topic, the oldest first."""
    names = ("bootstrap.servers", "security.protocol", "sasl.mechanism", "sasl.username", "sasl.password")
    own = {"group.id": f"{given['group.id.prefix']}demo", "enable.auto.commit": False, "log_level": 0}
    client = Consumer({name: given[name] for name in names} | own)
    try:
        topic = given["topic"]
        partitions = client.list_topics(topic, 10).topics[topic].partitions
        found: list[tuple[int, str]] = []
        for number in partitions:
            _first, end = client.get_watermark_offsets(TopicPartition(topic, number), 10)
            client.assign([TopicPartition(topic, number, 0)])
            while end and client.position([TopicPartition(topic, number)])[0].offset < end:
                for message in client.consume(200, 1.0):
                    if appointment.encode() in (message.value() or b""):
                        headers = dict(message.headers() or [])
                        found.append((message.timestamp()[1], _text(headers["ce_type"])))
        return [kind for _time, kind in sorted(found)]
    finally:
        client.close()


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _key() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(16)}


def _good(answer: httpx.Response, status: int) -> httpx.Response:
    if answer.status_code != status:
        request = answer.request
        raise StoryError(f"{request.method} {request.url.path} answers {answer.status_code}: {answer.text}")
    return answer


def _until(look: Callable[[], T | None], otherwise: str, *, seconds: float = 30) -> T:
    """Looks until there is something; raises StoryError with `otherwise` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise StoryError(f"{otherwise} ({seconds:.0f} s were waited)")
        time.sleep(0.1)
