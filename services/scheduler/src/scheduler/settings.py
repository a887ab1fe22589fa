"""scheduler's own settings."""

from pydantic import Field

from servicekit.settings import Settings


class SchedulerSettings(Settings):
    """See servicekit.settings."""

    look_seconds: float = Field(
        default=1, gt=0, le=60, description="How often timers that others have set are looked for."
    )
    batch_size: int = Field(default=500, ge=1, le=5000, description="Timers fired in one transaction.")
