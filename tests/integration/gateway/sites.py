"""Two businesses on the running platform, each with one of everything; for tests of what the API refuses.

Used by good_requests.py and test_bad_input.py.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.platform import TenantChanged
from devstack.processes import free_port
from integration.auth.world import Person, new_email
from integration.gateway.platform import Platform
from support.events import until

ALL_DAY = [{"weekday": day, "opens": "00:00", "closes": "00:00"} for day in range(7)]


@dataclass
class Business:
    """A business that has one of everything; `slots` are starts that are free, each for one use."""

    platform: Platform
    tenant: TenantChanged
    owner: Person
    staff: str = ""
    resource: str = ""
    service: str = ""
    question: str = ""
    slots: list[str] = field(default_factory=list)

    @staticmethod
    def open(platform: Platform) -> "Business":
        made = Business(platform, *platform.business())
        made.staff = made.new_staff()
        made.resource = made.new_resource()
        made.service = made.new_service()
        path = f"/v1/services/{made.service}"
        made.question = platform.call("GET", path, made.owner).json()["questions"][0]["id"]
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        asked = {"service": made.service, "from": str(tomorrow), "to": str(tomorrow + timedelta(days=1))}
        path = f"/v1/public/{made.tenant.slug}/availability"
        found = until(lambda: platform.call("GET", path, params=asked).json().get("slots"), "free times")
        made.slots = [slot["starts_at"] for slot in found]
        return made

    def new_staff(self) -> str:
        body = {"name": "Ada", "weekly_hours": ALL_DAY}
        return str(self.platform.create("/v1/staff", body, self.owner)["id"])

    def new_resource(self) -> str:
        return str(self.platform.create("/v1/resources", {"name": "Room"}, self.owner)["id"])

    def new_time_off(self, staff_id: str) -> str:
        body = {"starts_at": "2098-08-01T00:00:00Z", "ends_at": "2098-08-15T00:00:00Z"}
        return str(self.platform.create(f"/v1/staff/{staff_id}/time-off", body, self.owner)["id"])

    def new_service(self) -> str:
        body = {"name": "Cut", "duration_minutes": 30, "price_amount": 2500, "staff_ids": [self.staff]}
        body["questions"] = [{"label": "Anything else?", "kind": "text"}]
        return str(self.platform.create("/v1/services", body | {"slot_step_minutes": 30}, self.owner)["id"])

    def booking(self, **more: Any) -> dict[str, Any]:
        customer = {"name": "Bea", "email": "bea@customer.example", "phone": "+351912345678", "locale": "en"}
        return {
            "service_id": self.service,
            "staff_id": self.staff,
            "starts_at": self.slots.pop(),
            "customer": customer,
            "consent": {"email": True, "sms": False},
            "timezone": "Europe/Lisbon",
            "answers": [{"question_id": self.question, "answer": "No"}],
        } | more

    def appointment(self) -> dict[str, Any]:
        path = f"/v1/public/{self.tenant.slug}/appointments"
        return self.platform.create(path, self.booking())

    def hold(self) -> dict[str, Any]:
        body = {"service_id": self.service, "staff_id": self.staff, "starts_at": self.slots.pop()}
        return self.platform.create(f"/v1/public/{self.tenant.slug}/holds", body)

    def place(self) -> dict[str, Any]:
        """On the waitlist, for a day behind the booking window: nothing is offered."""
        return self.platform.create(f"/v1/public/{self.tenant.slug}/waitlist", self.waiting())

    def offered_place(self) -> dict[str, Any]:
        """On the waitlist, and offered a time by hand."""
        place = self.place()
        body = {"starts_at": self.slots.pop(), "staff_id": self.staff}
        self.platform.create(f"/v1/waitlist/{place['id']}/offer", body, self.owner)
        return place

    def waiting(self) -> dict[str, Any]:
        """The body of somebody new, as a customer has one place for a service."""
        day = datetime.now(UTC) + timedelta(days=300)
        body = self.booking(**{"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat()})
        self.slots.append(body.pop("starts_at"))
        del body["answers"]  # asked of whoever accepts
        body["customer"] |= {"name": f"Bea {secrets.token_hex(4)}"}
        return body

    def series(self) -> str:
        body = self.booking(rule={"every": "week", "count": 2})
        return str(self.platform.create("/v1/series", body, self.owner)["id"])

    def invitation(self) -> str:
        body = {"email": new_email(), "name": "Bo", "role": "staff"}
        return str(self.platform.create("/v1/invitations", body, self.owner)["id"])

    def message(self) -> str:
        """The confirmation of a new appointment."""
        query = {"appointment_id": self.appointment()["id"]}

        def sent() -> str | None:
            items = self.platform.call("GET", "/v1/messages", self.owner, params=query).json()["items"]
            return items[0]["id"] if items else None

        return until(sent, "the confirmation")

    def feed(self) -> dict[str, str]:
        """A new staff member's calendar feed, as the API names it and its token."""
        staff_id, path = self.new_staff(), "/v1/staff-feeds"
        made = until(lambda: self._granted("POST", f"{path}/{staff_id}"), "booking knows the staff member")
        return {"staff_id": staff_id, "token": made["url"].rpartition("/")[2].removesuffix(".ics")}

    def busy_calendar(self) -> dict[str, str]:
        """A new staff member whose other calendar is imported."""
        staff_id, sent = self.new_staff(), {"url": "https://calendar.invalid/ada.ics"}
        path = f"/v1/busy-calendars/{staff_id}"
        until(lambda: self._granted("PUT", path, json=sent), "booking knows the staff member")
        return {"staff_id": staff_id}

    def _granted(self, method: str, path: str, **sent: Any) -> dict[str, Any] | None:
        answer = self.platform.call(method, path, self.owner, **sent)
        return answer.json() if answer.status_code == 200 else None

    def endpoint(self) -> str:
        """A webhook endpoint that nothing listens at, and that nothing but tests is sent to."""
        body = {"url": f"http://127.0.0.1:{free_port()}/", "events": ["message.failed"]}
        return str(self.platform.create("/v1/webhook-endpoints", body, self.owner)["id"])

    def delivery(self, endpoint: str) -> str:
        """A test, sent in vain."""
        path = f"/v1/webhook-endpoints/{endpoint}"
        made = str(self.platform.create(f"{path}/test", None, self.owner)["id"])

        def settled() -> bool:
            answer = self.platform.call("GET", f"{path}/deliveries/{made}", self.owner)
            return bool(answer.json()["status"] == "failed")

        until(settled, "the test is sent")
        return made

    def customer(self) -> str:
        path = f"/v1/appointments/{self.appointment()['id']}"
        return str(self.platform.call("GET", path, self.owner).json()["customer"]["id"])


@dataclass
class Site:
    """The business that asks, and the one whose things it may not touch."""

    platform: Platform
    mine: Business
    other: Business

    @staticmethod
    def open(platform: Platform) -> "Site":
        return Site(platform, Business.open(platform), Business.open(platform))
