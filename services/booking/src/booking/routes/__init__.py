"""booking's routes: each handler parses, calls the service layer and answers."""

from booking.routes import appointments, customers, managed, public, series, waitlist

# Links first: `/v1/public/appointments/{token}` must not be taken for a business named `appointments`.
ROUTERS = (
    managed.router,
    waitlist.links,
    public.router,
    waitlist.public,
    appointments.router,
    series.router,
    customers.router,
    waitlist.router,
)
