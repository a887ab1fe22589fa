"""scheduler's own settings."""

from pydantic import Field

from servicekit.settings import Settings


class SchedulerSettings(Settings):
    """See servicekit.settings."""

    look_seconds: float = Field(
        default=1,
        gt=0,
        le=60,
        description="How often the database is asked for timers that other processes have set: such a timer fires"
        " by so much late at most.",
    )
    batch_size: int = Field(
        default=500,
        ge=1,
        le=5000,
        description="The most timers that one transaction fires. With more, a flood of them is fired"
        " sooner, and their rows are locked for longer.",
    )
