"""Quiet hours: until when a message waits, if it does. Pure; called by notification.domain.

The hours are wall-clock times where the appointment is read. Across a change of clocks they follow the platform's
rule (servicekit.localtime): a time that is skipped means the end of the gap, one that comes twice means the first.

What is held must still be of use when it goes out: a message that would be handed over less than an hour before it
becomes worthless (a reminder at the appointment's start) is not held, but sent at once, in the quiet hours. So none
is lost to them.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from contracts.booking import Channel
from servicekit.localtime import instant_of

MARGIN = timedelta(hours=1)
"""How long before it expires a message that waits must be able to go out."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begins` to `ends`, over midnight when that is the earlier one. Without channels there are none."""

    version: int
    begins: time
    ends: time
    channels: frozenset[Channel]
    notices: bool

    def hold_until(self, now: datetime, zone: ZoneInfo, expires_at: datetime) -> datetime | None:
        """The instant (UTC) that a message which is due now waits for; None to send it now."""
        end = self._end(now, zone)
        return end if end is not None and end + MARGIN <= expires_at else None

    def _end(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """The end of the quiet hours that `now` lies in."""
        today = now.astimezone(zone).date()
        overnight = timedelta(days=1) if self.ends < self.begins else timedelta()
        # Yesterday's and tomorrow's too: a change of clocks may move an end over midnight.
        for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
            end = instant_of(day + overnight, self.ends, zone)
            if instant_of(day, self.begins, zone) <= now < end:
                return end
        return None


UNSET = QuietHours(version=0, begins=time(21), ends=time(8), channels=frozenset(), notices=False)
"""What applies while a business has set nothing: no channel is quiet. The hours are a suggestion to start from."""
