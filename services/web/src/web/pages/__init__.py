"""web's pages: each handler asks the gateway and renders, or sends a form on and redirects."""

from web.pages import (
    account,
    appointment,
    billing,
    booking,
    catalog,
    customers,
    dashboard,
    diary,
    exports,
    figures,
    history,
    home,
    members,
    reminders,
    settings,
    staff,
    unsubscribe,
    waitlist,
)

ROUTERS = (
    home.router,
    account.router,
    booking.router,
    waitlist.router,
    appointment.router,
    unsubscribe.router,
    exports.router,  # before those whose addresses have anybody's id in that place
    diary.router,  # before dashboard's, whose last part of an address is any of its actions
    dashboard.router,
    customers.router,
    staff.router,
    members.router,
    catalog.router,
    reminders.router,
    figures.router,
    billing.router,
    history.router,
    settings.router,
)
