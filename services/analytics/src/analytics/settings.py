"""analytics has no settings of its own beyond those that every service has."""

from servicekit.settings import Settings


class AnalyticsSettings(Settings):
    """See servicekit.settings."""
