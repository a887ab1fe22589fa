"""web's pages: each handler asks the gateway and renders, or sends a form on and redirects."""

from web.pages import (
    account,
    appointment,
    billing,
    booking,
    catalog,
    dashboard,
    diary,
    figures,
    home,
    members,
    reminders,
    settings,
    staff,
    unsubscribe,
    waitlist,
    webhooks,
)

ROUTERS = (
    home.router,
    account.router,
    booking.router,
    waitlist.router,
    appointment.router,
    unsubscribe.router,
    diary.router,  # before dashboard's, whose last part of an address is any of its actions
    dashboard.router,
    staff.router,
    members.router,
    catalog.router,
    reminders.router,
    figures.router,
    billing.router,
    webhooks.router,
    settings.router,
)
