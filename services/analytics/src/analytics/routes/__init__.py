"""analytics's routes: each handler parses, calls the service layer and answers."""

from analytics.routes import daily

ROUTERS = (daily.router,)
