"""web's pages: each handler asks the gateway and renders, or sends a form on and redirects."""

from web.pages import (
    account,
    appointment,
    billing,
    booking,
    catalog,
    dashboard,
    figures,
    home,
    reminders,
    staff,
)

ROUTERS = (
    home.router,
    account.router,
    booking.router,
    appointment.router,
    dashboard.router,
    staff.router,
    catalog.router,
    reminders.router,
    figures.router,
    billing.router,
)
