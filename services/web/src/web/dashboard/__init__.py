"""The business's pages, for who has signed in: its days, its customers, and all that can be set.

Each handler asks the gateway as that person, and renders, or sends a form on and redirects. What several of them
share stands beside them: what they ask for (`reading`), parts of forms (`hours`, `offers`), and words (`…_words`).
"""

from web.dashboard import (
    agenda,
    billing,
    blocked,
    businesses,
    calendars,
    catalog,
    customers,
    desk,
    diary,
    exports,
    figures,
    history,
    holidays,
    members,
    messages,
    quiet_hours,
    reminders,
    rooms,
    settings,
    staff,
    time_off,
    waiting,
    webhooks,
    wording,
)

ROUTERS = (
    exports.router,  # before those whose addresses have anybody's id in that place
    desk.router,  # before diary's, whose addresses have an appointment's id in the same place
    diary.router,  # before agenda's, whose last part of an address is any of its actions
    agenda.router,
    customers.router,
    waiting.router,
    staff.router,
    time_off.router,
    calendars.router,
    businesses.router,
    members.router,
    catalog.router,
    rooms.router,
    holidays.router,
    reminders.router,
    wording.router,  # before messages', which would take its address for a message's id
    quiet_hours.router,
    blocked.router,
    messages.router,
    figures.router,
    billing.router,
    history.router,
    webhooks.router,
    settings.router,
)
