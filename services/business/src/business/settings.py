"""business has no settings of its own beyond those that every service has."""

from servicekit.settings import Settings


class BusinessSettings(Settings):
    """See servicekit.settings."""
