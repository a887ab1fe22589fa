"""web's pages: each handler asks the gateway and renders, or sends a form on and redirects."""

from web.pages import (
    account,
    appointment,
    billing,
    blocked,
    booking,
    catalog,
    customers,
    dashboard,
    desk,
    diary,
    exports,
    figures,
    history,
    home,
    members,
    messages,
    quiet_hours,
    reminders,
    rooms,
    settings,
    staff,
    unsubscribe,
    waiting,
    waitlist,
    wording,
)

ROUTERS = (
    home.router,
    account.router,
    booking.router,
    waitlist.router,
    appointment.router,
    unsubscribe.router,
    exports.router,  # before those whose addresses have anybody's id in that place
    desk.router,  # before diary's, whose addresses have an appointment's id in the same place
    diary.router,  # before dashboard's, whose last part of an address is any of its actions
    dashboard.router,
    customers.router,
    waiting.router,
    staff.router,
    members.router,
    catalog.router,
    rooms.router,
    reminders.router,
    wording.router,  # before messages', which would take its address for a message's id
    quiet_hours.router,
    blocked.router,
    messages.router,
    figures.router,
    billing.router,
    history.router,
    settings.router,
)
