"""booking's routes: each handler parses, calls the service layer and answers."""

from booking.routes import appointments, customers, managed, public

# Links first: `/v1/public/appointments/{token}` must not be taken for a business named `appointments`.
ROUTERS = (managed.router, public.router, appointments.router, customers.router)
