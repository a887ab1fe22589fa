"""Where a poll for what is due begins: a little before where the last one ended (docs/adr/0025).

Used by notification.delivery and notification.webhooks.delivery, which poll ten times a second: the index of due
times begins with what was settled, and each poll would pass all of it while an old snapshot keeps it from being
cleaned. What comes to lie before a poll's beginning after all is found by the full scans (servicekit.full_scan).
"""

from datetime import UTC, datetime, timedelta

BEGINNING = datetime.min.replace(tzinfo=UTC)
MARGIN = timedelta(seconds=5)
"""A row is due from when its writer has read the clock, and visible from its commit. So much may lie between the
two, the difference between two processes' clocks included, and the next poll finds it all the same."""


class PollCursor:
    """One process's position in one queue. Its first poll begins at the beginning."""

    def __init__(self) -> None:
        self._since = BEGINNING
        self._rewound_to: datetime | None = None

    def begin(self) -> datetime:
        """The due time from which on the poll that begins now has to read."""
        since, rewound_to = self._since, self._rewound_to
        self._rewound_to = None
        return since if rewound_to is None else min(since, rewound_to)

    def end(self, now: datetime, found_up_to: datetime | None = None) -> None:
        """Notes that the poll up to `now` has found all, or all up to a time, as there was more than it takes."""
        self._since = min(found_up_to or now, now - MARGIN)

    def fail(self, now: datetime) -> None:
        """Notes that the poll up to `now` was not made.

        A first poll was then tried in vain: with very much settled beside an old snapshot it runs into its timeout,
        and so would each after it. So polls begin from here on; what lies before is found by the full scan, which
        has no timeout.
        """
        if self._since == BEGINNING:
            self._since = now - MARGIN

    def rewind(self, to: datetime) -> None:
        """Has the next poll begin no later than there: something is due that the polls have passed."""
        self._rewound_to = to
