"""The dashboard's navigation: its tabs, and the pages behind Settings. Shown by the templates of the dashboard.

Staff get no links to pages for owners only: the API would refuse them what those show.
"""

from dataclasses import dataclass

SETTINGS = "/dashboard/settings"


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a page of the dashboard. `what` says what can be set there, for the list of settings."""

    address: str
    name: str
    what: str = ""
    for_owners: bool = False


TABS = (
    Link("/dashboard", "Today"),
    Link("/dashboard/appointments", "Appointments"),
    Link("/dashboard/customers", "Customers"),
    Link("/dashboard/waitlist", "Waitlist"),
    Link("/dashboard/staff", "Staff"),
    Link("/dashboard/services", "Services"),
    Link("/dashboard/figures", "Figures"),
    Link(SETTINGS, "Settings"),
)
BEHIND_SETTINGS = (
    Link(
        "/dashboard/rooms", "Rooms and equipment", "What services need beside staff, and how many there are."
    ),
    Link("/dashboard/holidays", "Holidays", "The days on which nobody works."),
    Link("/dashboard/reminders", "Reminders", "How long before an appointment its customer is reminded."),
    Link(
        "/dashboard/messages",
        "Messages",
        "What customers were sent, and what became of it; wording, quiet hours.",
    ),
    Link("/dashboard/businesses", "Businesses", "Where you work, and going from one to another."),
    Link("/dashboard/members", "Members", "Who can sign in, and as what.", for_owners=True),
    Link("/dashboard/history", "History", "Who changed what, and when.", for_owners=True),
    Link("/dashboard/billing", "Billing", "Plan, payments and invoices.", for_owners=True),
    Link(
        "/dashboard/webhooks",
        "Webhooks",
        "For your developer: your own server is told what happens here.",
        for_owners=True,
    ),
)


def current_tab(path: str) -> str:
    """The address of the tab that a page belongs to."""
    if any(_within(path, link.address) for link in BEHIND_SETTINGS):
        return SETTINGS
    return max((tab.address for tab in TABS if _within(path, tab.address)), key=len, default="")


def _within(path: str, address: str) -> bool:
    return path == address or path.startswith(f"{address}/")
