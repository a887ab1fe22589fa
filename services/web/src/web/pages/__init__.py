"""web's pages: each handler asks the gateway and renders, or sends a form on and redirects."""

from web.pages import (
    account,
    appointment,
    billing,
    booking,
    calendars,
    catalog,
    dashboard,
    diary,
    figures,
    holidays,
    home,
    members,
    reminders,
    settings,
    staff,
    time_off,
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
    diary.router,  # before dashboard's, whose last part of an address is any of its actions
    dashboard.router,
    staff.router,
    time_off.router,
    calendars.router,
    members.router,
    catalog.router,
    holidays.router,
    reminders.router,
    figures.router,
    billing.router,
    settings.router,
)
