"""Where a look for what is due begins: a little before where the last one ended (docs/adr/0025).

Used by notification.delivery and notification.webhooks.delivery, which look ten times a second: the index of due
times begins with what was settled, and each look would pass all of it while an old snapshot keeps it from being
cleaned. What comes to lie before a look's beginning after all is found by the looks back (servicekit.stragglers).
"""

from datetime import UTC, datetime, timedelta

BEGINNING = datetime.min.replace(tzinfo=UTC)
MARGIN = timedelta(seconds=5)
"""A row is due from when its writer has read the clock, and visible from its commit. So much may lie between the
two, the difference between two processes' clocks included, and the next look finds it all the same."""


class Looks:
    """One process's, into one queue. The first begins at the beginning."""

    def __init__(self) -> None:
        self._since = BEGINNING
        self._back_to: datetime | None = None

    def begin(self) -> datetime:
        """The time from which on the look that begins now has to look."""
        since, back_to = self._since, self._back_to
        self._back_to = None
        return since if back_to is None else min(since, back_to)

    def end(self, now: datetime, found_up_to: datetime | None = None) -> None:
        """Notes that the look up to `now` has found all, or all up to a time, as there was more than it takes."""
        self._since = min(found_up_to or now, now - MARGIN)

    def go_back(self, to: datetime) -> None:
        """Has the next look begin no later than there: something is due that the looks have passed."""
        self._back_to = to
