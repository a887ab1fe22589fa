"""The dashboard: the business's pages for those who work there, from its appointments to its settings.

Each handler asks the gateway as that person, and renders, or sends a form on and redirects. What several of them
share: reads from the API (`reading`), sending forms (`sending`) and buttons (`pressing`), parts of forms (`hours`,
`service_rows`), and words (`…_words`).
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
    exports.router,  # before the routers whose paths have an id in that place
    desk.router,  # before diary's, whose paths have an appointment's id in that place
    diary.router,  # before agenda's, whose paths end with the name of an action
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
    wording.router,  # before messages', which would take its path for a message's id
    quiet_hours.router,
    blocked.router,
    messages.router,
    figures.router,
    billing.router,
    history.router,
    webhooks.router,
    settings.router,
)
