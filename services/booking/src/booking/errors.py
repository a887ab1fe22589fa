"""Problems that only booking has."""

from servicekit.errors import Conflict, Forbidden, Invalid, TooManyRequests


class WrongAnswers(Invalid):
    """Of the service's questions some are answered wrongly, or not at all; to clients a fault like any other.

    A type of its own for booking.waitlist.line: whoever takes an offer can put it right, and the offer stands.
    """


class SlotTaken(Conflict):
    slug = "slot-taken"
    title = "This time is taken"


class SeriesRefused(Conflict):
    """`refused` lists the starts, each with its reason."""

    slug = "series-refused"
    title = "Not all of the series can be booked"


class HoldExpired(Conflict):
    slug = "hold-expired"
    title = "The hold has expired"


class TooManyHolds(TooManyRequests):
    """`limit` says how many there may be; `Retry-After`, when the first of them runs out."""

    slug = "too-many-holds"
    title = "Too many times are held"


class TooManyEntries(TooManyRequests):
    """`limit` says how many there may be; `Retry-After`, when the first of them has waited to its end."""

    slug = "too-many-waitlist-entries"
    title = "Too many places on the waitlist"


class AlreadyWaiting(Conflict):
    slug = "already-waiting"
    title = "This customer is on the waitlist already"


class OfferExpired(Conflict):
    slug = "offer-expired"
    title = "The offer has expired"


class AppointmentClosed(Conflict):
    slug = "appointment-closed"
    title = "The appointment can no longer be changed"


class CustomerHasAppointments(Conflict):
    """`appointments` says how many."""

    slug = "customer-has-appointments"
    title = "The customer still has appointments"


class TooLateToChange(Forbidden):
    slug = "cancellation-window"
    title = "It is too late to change this online"
