"""notification's own loops: a sender for each channel, so that a slow SMS service keeps no mail back.

Wired in notification.app, each with a servicekit.full_scan beside it. Any number of processes may run them; a
message is claimed by one.
"""

import asyncio
import time

import psycopg
import structlog

from contracts.booking import Channel
from notification.delivery import MessageDeliveries
from notification.store import ClaimedMessage
from servicekit.errors import Unavailable
from servicekit.periodic import Periodic

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 0.1
_BATCH = 6
"""At once; fewer than the pool's connections, as the consumers need some."""
_TURN_SECONDS = 5.0


class Sender(Periodic):
    """Sends one channel's messages."""

    def __init__(self, channel: Channel, deliveries: MessageDeliveries) -> None:
        super().__init__(f"notification.{channel.value}", every=_EVERY_SECONDS)
        self._deliveries = deliveries

    async def turn(self) -> None:
        """Sends what is due, for a few seconds at most, so that the loop is seen to turn."""
        until = time.monotonic() + _TURN_SECONDS
        while True:
            claimed = await self._deliveries.claim(_BATCH)
            outcomes = await asyncio.gather(*(self._one(item) for item in claimed), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            if len(claimed) < _BATCH or time.monotonic() > until:
                return

    async def _one(self, claimed: ClaimedMessage) -> None:
        structlog.contextvars.bind_contextvars(tenant_id=str(claimed.tenant_id))
        try:
            await self._deliveries.deliver(claimed)
        except (psycopg.OperationalError, psycopg.InterfaceError, Unavailable):
            raise  # the loop waits for the database
        except Exception as error:
            # One message that cannot be made up must not keep the others back; it is tried again after its lease.
            log.error("message not sent", message_id=str(claimed.message_id), exc_info=error)
