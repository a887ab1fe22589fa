"""Problems that only booking has."""

from servicekit.errors import Conflict, Forbidden


class SlotTaken(Conflict):
    slug = "slot-taken"
    title = "This time is taken"


class HoldExpired(Conflict):
    slug = "hold-expired"
    title = "The hold has expired"


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
