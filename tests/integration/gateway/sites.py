"""Two businesses on the running platform, each with one of everything; for tests of what the API refuses.

Used by good_requests.py and test_bad_input.py.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.platform import TenantChanged
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
    service: str = ""
    slots: list[str] = field(default_factory=list)

    @staticmethod
    def open(platform: Platform) -> "Business":
        made = Business(platform, *platform.business())
        made.staff = made.new_staff()
        made.service = made.new_service()
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        asked = {"service": made.service, "from": str(tomorrow), "to": str(tomorrow + timedelta(days=1))}
        path = f"/v1/public/{made.tenant.slug}/availability"
        found = until(lambda: platform.call("GET", path, params=asked).json().get("slots"), "free times")
        made.slots = [slot["starts_at"] for slot in found]
        return made

    def new_staff(self) -> str:
        body = {"name": "Ada", "weekly_hours": ALL_DAY}
        return str(self.platform.create("/v1/staff", body, self.owner)["id"])

    def new_service(self) -> str:
        body = {"name": "Cut", "duration_minutes": 30, "price_amount": 2500, "staff_ids": [self.staff]}
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

    def waiting(self) -> dict[str, Any]:
        day = datetime.now(UTC) + timedelta(days=300)
        body = self.booking(**{"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat()})
        self.slots.append(body.pop("starts_at"))
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
