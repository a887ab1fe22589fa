"""The pages of customers, and of whoever signs up or in; those of the business are in `web.dashboard`.

Each handler asks the gateway and renders, or sends a form on and redirects.
"""

from web.pages import account, appointment, booking, home, unsubscribe, waitlist

ROUTERS = (
    home.router,
    account.router,
    booking.router,
    waitlist.router,
    appointment.router,
    unsubscribe.router,
)
