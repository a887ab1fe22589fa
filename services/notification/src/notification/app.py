"""Wires notification: the one place that knows every part. Run by `notification.__main__`, and by tests."""

from datetime import timedelta

import structlog
from fastapi import FastAPI

from contracts.platform import Component
from notification.consumers import (
    MessageRequests,
    NotificationHooks,
    catalog_consumer,
    customer_consumer,
    message_consumer,
)
from notification.delivery import Delivery
from notification.letters import Letters
from notification.providers import Provider, SmtpProvider, sms_provider
from notification.routes import ROUTERS
from notification.service import NotificationService
from notification.settings import NotificationSettings
from notification.webhooks.consumers import WebhookEvents, webhook_consumer
from notification.webhooks.delivery import WebhookDeliveries
from notification.webhooks.routes import router as webhook_router
from notification.webhooks.service import WebhookService
from notification.webhooks.workers import WebhookSender, WebhookSweep
from notification.workers import Sender
from servicekit.db import Database
from servicekit.housekeeping import Housekeeping
from servicekit.http.tokens import RemoteKeys, TokenVerifier
from servicekit.links import AppointmentLinks
from servicekit.mail import Mailer, SmtpSettings
from servicekit.outbound import OutboundClient, OutboundSettings
from servicekit.relay import Relay
from servicekit.runtime import Loop, Parts, Service
from servicekit.sealing import Seal, key_bytes
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings, TokenSettings
from servicekit.tenancy import TenantFollower

log = structlog.get_logger(__name__)

_USER_AGENT = "Slotwright-Webhooks/1"


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, NotificationSettings)  # noqa: S101 - SERVICE says so
    kafka, tokens, smtp = KafkaSettings(), TokenSettings(), SmtpSettings()
    db = Database(DatabaseSettings(), application="notification")
    keys = RemoteKeys(tokens)
    letters, links = Letters(), AppointmentLinks(settings.link_key)

    def sender(provider: Provider) -> Sender:
        return Sender(provider.channel, Delivery(db, provider, letters, links, settings))

    seal = Seal(key_bytes(settings.webhook_key)) if settings.webhook_key else None
    outbound = OutboundClient(OutboundSettings(), user_agent=_USER_AGENT)
    webhook_loops: list[Loop] = [
        webhook_consumer(db, kafka, WebhookEvents()),
        WebhookSweep(db),
    ]
    if seal is None:
        log.warning("there are no webhooks here: SLOTWRIGHT_WEBHOOK_KEY is not set")
    else:
        webhook_loops.append(WebhookSender(WebhookDeliveries(db, outbound, seal, settings)))
    webhooks = WebhookService(db, outbound, seal)

    def with_webhooks(api: FastAPI) -> None:
        api.state.webhooks = webhooks

    tenants = TenantFollower(Component.NOTIFICATION, db, kafka, NotificationHooks())
    requests = MessageRequests(timedelta(seconds=settings.give_up_seconds))
    return Parts(
        routers=[*ROUTERS, webhook_router],
        service=NotificationService(db),
        verifier=TokenVerifier.of_settings(keys, tokens, settings.public_url),
        database=db,
        loops=[keys],
        consumers=[
            tenants.consumer,
            tenants.reporter,
            customer_consumer(db, kafka),
            catalog_consumer(db, kafka),
            message_consumer(db, kafka, requests),
            sender(SmtpProvider(Mailer(smtp), smtp.mail_from)),
            sender(sms_provider(settings, db)),
            Housekeeping("notification", db),
            *webhook_loops,
        ],
        relays=[Relay("notification", db, kafka)],
        checks=[keys.ready],
        customize=with_webhooks,
    )


SERVICE = Service("notification", NotificationSettings, build)
"""Roles as in every service; all senders run in `consume`, beside the consumers."""
