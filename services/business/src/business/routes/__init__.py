"""business's routes: each handler parses, calls the service layer and answers."""

from business.routes import closures, policy, profile, resources, services, staff, trail

ROUTERS = (
    profile.router,
    staff.router,
    resources.router,
    services.router,
    closures.router,
    policy.router,
    trail.router,
)
