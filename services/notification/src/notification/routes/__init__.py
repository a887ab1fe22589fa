"""notification's routes: each handler parses, calls the service layer and answers."""

from notification.routes import messages

ROUTERS = (messages.router,)
