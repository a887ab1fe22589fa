"""The problems that webhooks alone can answer with; their pages stand in gateway.problem_types."""

from servicekit.errors import Conflict


class WebhooksOff(Conflict):
    """The platform has no key to keep endpoints' secrets under."""

    slug = "webhooks-off"
    title = "There are no webhooks here"
