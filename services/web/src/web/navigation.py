"""Where the dashboard leads: its tabs, and the pages behind Settings. Shown by the templates of the dashboard.

A page that is for owners only is no tab for staff: the API would refuse them what it shows.
"""

from dataclasses import dataclass

SETTINGS = "/dashboard/settings"


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the dashboard. `what` says what can be set there, for the list of settings."""

    address: str
    name: str
    what: str = ""
    for_owners: bool = False


TABS = (
    Place("/dashboard", "Today"),
    Place("/dashboard/appointments", "Appointments"),
    Place("/dashboard/customers", "Customers"),
    Place("/dashboard/waitlist", "Waitlist"),
    Place("/dashboard/staff", "Staff"),
    Place("/dashboard/services", "Services"),
    Place("/dashboard/figures", "Figures"),
    Place(SETTINGS, "Settings"),
)
BEHIND_SETTINGS = (
    Place(
        "/dashboard/rooms", "Rooms and equipment", "What services need beside staff, and how many there are."
    ),
    Place("/dashboard/holidays", "Holidays", "The days on which nobody works."),
    Place("/dashboard/reminders", "Reminders", "How long before an appointment its customer is reminded."),
    Place(
        "/dashboard/messages",
        "Messages",
        "What customers were sent, and what became of it; wording, quiet hours.",
    ),
    Place("/dashboard/businesses", "Businesses", "Where you work, and going from one to another."),
    Place("/dashboard/members", "Members", "Who can sign in, and as what.", for_owners=True),
    Place("/dashboard/history", "History", "Who changed what, and when.", for_owners=True),
    Place("/dashboard/billing", "Billing", "Plan, payments and invoices.", for_owners=True),
    Place(
        "/dashboard/webhooks",
        "Webhooks",
        "For your developer: your own server is told what happens here.",
        for_owners=True,
    ),
)


def current_tab(path: str) -> str:
    """The address of the tab that a page belongs to."""
    if any(_within(path, place.address) for place in BEHIND_SETTINGS):
        return SETTINGS
    return max((tab.address for tab in TABS if _within(path, tab.address)), key=len, default="")


def _within(path: str, address: str) -> bool:
    return path == address or path.startswith(f"{address}/")
