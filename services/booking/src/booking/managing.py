"""A new appointment with its customer's link, as who books is answered. Called by the service layer."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from booking.domain import Appointment
from servicekit.links import AppointmentLinks


@dataclass(frozen=True, slots=True)
class Booked:
    """An appointment with the link that manages it."""

    appointment: Appointment
    token: str
    manage_url: str

    @classmethod
    def of(cls, tenant_id: UUID, appointment: Appointment, links: AppointmentLinks, public_url: str) -> Self:
        token = links.token(tenant_id, appointment.appointment_id)
        return cls(appointment, token, manage_url(public_url, token))


def manage_url(public_url: str, token: str) -> str:
    """The page of an appointment's link."""
    return f"{public_url}/appointments/{token}"
