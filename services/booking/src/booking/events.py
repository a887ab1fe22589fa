"""Appointment, reminder and customer events, made from what the domain holds. Called by the service layer."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from booking.domain import Appointment, Customer, Reminder
from contracts.booking import CustomerChanged, ReminderRequested, ReminderWithdrawn
from contracts.model import Money

WithdrawalReason = Literal["cancelled", "rescheduled", "policy-changed", "completed", "erased"]


def appointment_fields(tenant_id: UUID, appointment: Appointment, now: datetime) -> dict[str, Any]:
    """What every appointment event tells, to be completed with what is its own."""
    return {
        "tenant_id": tenant_id,
        "appointment_id": appointment.appointment_id,
        "version": appointment.version,
        "service_id": appointment.service_id,
        "staff_ids": list(appointment.resource_ids),
        "customer_id": appointment.customer_id,
        "starts_at": appointment.starts_at,
        "ends_at": appointment.ends_at,
        "timezone": appointment.timezone,
        "price": Money(amount=appointment.price_amount, currency=appointment.currency),
        "occurred_at": now,
    }


def reminder_requested(tenant_id: UUID, appointment: Appointment, reminder: Reminder) -> ReminderRequested:
    return ReminderRequested(
        tenant_id=tenant_id,
        reminder_id=reminder.reminder_id,
        appointment_id=appointment.appointment_id,
        appointment_version=appointment.version,
        rule_id=reminder.rule_id,
        channel=reminder.channel,
        service_id=appointment.service_id,
        staff_ids=list(appointment.resource_ids),
        customer_id=appointment.customer_id,
        due_at=reminder.due_at,
        starts_at=appointment.starts_at,
        timezone=appointment.timezone,
    )


def reminder_withdrawn(
    tenant_id: UUID, appointment_id: UUID, reminder: Reminder, reason: WithdrawalReason
) -> ReminderWithdrawn:
    return ReminderWithdrawn(
        tenant_id=tenant_id,
        reminder_id=reminder.reminder_id,
        appointment_id=appointment_id,
        reason=reason,
    )


def customer_changed(tenant_id: UUID, customer: Customer) -> CustomerChanged:
    return CustomerChanged(
        tenant_id=tenant_id,
        customer_id=customer.customer_id,
        version=customer.version,
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        locale=customer.locale,
        consent=customer.consent,
    )
