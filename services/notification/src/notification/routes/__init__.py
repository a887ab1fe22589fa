"""notification's routes: each handler parses, calls the service layer and answers."""

from notification.routes import message_templates, messages, quiet_hours, suppressions, trail, unsubscribe

# trail before messages, which would take the trail's path for a message's id.
ROUTERS = (
    trail.router,
    messages.router,
    message_templates.router,
    quiet_hours.router,
    suppressions.router,
    unsubscribe.router,
)
