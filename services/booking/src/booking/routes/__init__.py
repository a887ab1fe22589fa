"""booking's routes: each handler parses, calls the service layer and answers."""

from booking.routes import (
    appointments,
    busy_calendars,
    customers,
    exports,
    feeds,
    managed,
    public,
    series,
    trail,
    waitlist,
)

# Links and feeds first: `/v1/public/appointments/{token}` must not be taken for a business named `appointments`.
# Exports before what they export, whose ids `export.csv` must not be taken for.
ROUTERS = (
    managed.router,
    feeds.router,
    waitlist.links,
    public.router,
    waitlist.public,
    exports.router,
    appointments.router,
    series.router,
    customers.router,
    waitlist.router,
    busy_calendars.router,
    trail.router,
)
