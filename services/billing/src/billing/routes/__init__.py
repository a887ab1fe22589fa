"""billing's routes: each handler parses, calls the service layer and answers."""

from billing.routes import subscription, usage, webhooks

ROUTERS = (subscription.router, usage.router, webhooks.router)
