"""Finds an event's model by its CloudEvents type; used by `envelope` and by the schema generator."""

from contracts import auth, billing, booking, business, notification, platform, scheduler
from contracts.model import Event

EVENTS: tuple[type[Event], ...] = (
    platform.TenantChanged,
    platform.TenantStatusReported,
    auth.SignupRequested,
    business.StaffChanged,
    business.ResourceChanged,
    business.ServiceChanged,
    business.PolicyChanged,
    business.HolidaysChanged,
    business.ProfileChanged,
    booking.AppointmentBooked,
    booking.AppointmentConfirmed,
    booking.AppointmentRescheduled,
    booking.AppointmentCancelled,
    booking.AppointmentCompleted,
    booking.AppointmentNoShow,
    booking.ReminderRequested,
    booking.ReminderWithdrawn,
    booking.WaitlistOffered,
    booking.CustomerChanged,
    scheduler.ReminderDue,
    notification.MessageSent,
    notification.MessageFailed,
    notification.MessageSuppressed,
    billing.SubscriptionActivated,
    billing.SubscriptionCanceled,
    billing.SubscriptionPastDue,
    billing.SubscriptionChanged,
)

_BY_TYPE = {event.TYPE: event for event in EVENTS}
_NAMES = {event.TYPE.rpartition(".v")[0] for event in EVENTS}


class UnknownEventError(LookupError):
    """No model has this CloudEvents type."""


def model_for(event_type: str) -> type[Event]:
    """The model of a CloudEvents type; raises UnknownEventError."""
    try:
        return _BY_TYPE[event_type]
    except KeyError:
        raise UnknownEventError(f"no event of this release has the type {event_type!r}") from None


def is_known(event_type: str) -> bool:
    """Whether there is an event of this name, perhaps of another version only."""
    return event_type.rpartition(".v")[0] in _NAMES
