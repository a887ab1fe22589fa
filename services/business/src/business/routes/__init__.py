"""business's routes: each handler parses, calls the service layer and answers."""

from business.routes import policy, profile, services, staff, trail

ROUTERS = (profile.router, staff.router, services.router, policy.router, trail.router)
