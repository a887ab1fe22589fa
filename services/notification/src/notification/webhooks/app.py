"""Wires webhooks: their loops and what their routes call. Used by notification.app."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from fastapi import FastAPI

from notification.webhooks.consumers import WebhookEvents, webhook_consumer
from notification.webhooks.delivery import WebhookDeliveries
from notification.webhooks.service import WebhookService
from notification.webhooks.settings import WebhookSettings
from notification.webhooks.workers import WebhookSender, WebhookSweep
from servicekit.db import Database
from servicekit.full_scan import FullScan
from servicekit.outbound import OutboundClient, OutboundSettings
from servicekit.runtime import Loop
from servicekit.sealing import Seal, key_bytes
from servicekit.settings import KafkaSettings

log = structlog.get_logger(__name__)

_USER_AGENT = "Slotwright-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`loops` run in `consume`, beside the consumers."""

    service: WebhookService
    loops: Sequence[Loop]

    @staticmethod
    def of(settings: WebhookSettings, db: Database, kafka: KafkaSettings) -> "Webhooks":
        """Without a key nothing is sent: no endpoint can be added, and no secret of an older one be opened."""
        # Two, as each bounds its DNS lookups: those for addresses that owners type in must not hold up deliveries.
        typed_in = OutboundClient(OutboundSettings(), user_agent=_USER_AGENT)
        outbound = OutboundClient(OutboundSettings(), user_agent=_USER_AGENT)
        loops: list[Loop] = [webhook_consumer(db, kafka, WebhookEvents()), WebhookSweep(db)]
        seal = None
        if settings.webhook_key is None:
            log.warning("there are no webhooks here: SLOTWRIGHT_WEBHOOK_KEY is not set")
        else:
            seal = Seal(key_bytes(settings.webhook_key))
            deliveries = WebhookDeliveries(db, outbound, seal, settings)
            loops += [
                WebhookSender(deliveries),
                FullScan("notification.webhooks.full-scan", deliveries.full_scan),
            ]
        return Webhooks(WebhookService(db, typed_in, seal), loops)

    def attach(self, api: FastAPI) -> None:
        """Where the routes find the service layer."""
        api.state.webhooks = self.service
