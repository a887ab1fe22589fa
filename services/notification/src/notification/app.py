"""Wires notification: the one place that knows every part. Run by `notification.__main__`, and by tests."""

from datetime import timedelta
from email.utils import parseaddr

from contracts.platform import Component
from notification.consumers import (
    MessageRequests,
    NotificationHooks,
    catalog_consumer,
    customer_consumer,
    message_consumer,
)
from notification.delivery import MessageDeliveries
from notification.letters import Letters
from notification.providers import Provider, SmtpProvider, sms_provider
from notification.routes import ROUTERS
from notification.rules import Rules
from notification.service import NotificationService
from notification.settings import NotificationSettings
from notification.webhooks.app import Webhooks
from notification.webhooks.routes import router as webhook_router
from notification.workers import Sender
from servicekit.db import Database
from servicekit.full_scan import FullScan
from servicekit.housekeeping import Housekeeping
from servicekit.http.tokens import RemoteKeys, TokenVerifier
from servicekit.links import UnsubscribeLinks
from servicekit.mail import Mailer, SmtpSettings
from servicekit.relay import Relay
from servicekit.runtime import Loop, Parts, Service
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings, TokenSettings
from servicekit.tenancy import TenantFollower


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, NotificationSettings)  # noqa: S101 - SERVICE says so
    kafka, tokens, smtp = KafkaSettings(), TokenSettings(), SmtpSettings()
    db = Database(DatabaseSettings(), application="notification")
    keys = RemoteKeys(tokens)
    # SMTP has to time out before the attempt does: only SMTP knows whether the mail may have been taken.
    smtp = smtp.model_copy(update={"smtp_timeout": min(smtp.smtp_timeout, 0.9 * settings.send_timeout)})
    letters, mail_from = Letters(), parseaddr(smtp.mail_from)[1]
    rules = Rules(
        db,
        letters,
        UnsubscribeLinks(settings.link_key),
        public_url=settings.public_url,
        mail_from=mail_from,
    )

    def senders(provider: Provider) -> tuple[Loop, ...]:
        channel = provider.channel
        deliveries = MessageDeliveries(db, provider, letters, settings, mail_from=smtp.mail_from)
        full_scan = FullScan(f"notification.{channel}.full-scan", deliveries.full_scan)
        return Sender(channel, deliveries), full_scan

    webhooks = Webhooks.of(settings, db, kafka)
    tenants = TenantFollower(Component.NOTIFICATION, db, kafka, NotificationHooks())
    requests = MessageRequests(timedelta(seconds=settings.give_up_seconds))
    return Parts(
        routers=[*ROUTERS, webhook_router],
        service=NotificationService(db, rules),
        verifier=TokenVerifier.of_settings(keys, tokens, settings.public_url),
        database=db,
        loops=[keys],
        consumers=[
            tenants.consumer,
            tenants.remover,
            tenants.reporter,
            customer_consumer(db, kafka),
            catalog_consumer(db, kafka),
            message_consumer(db, kafka, requests),
            *senders(SmtpProvider(Mailer(smtp), mail_from)),
            *senders(sms_provider(settings, db)),
            Housekeeping("notification", db),
            *webhooks.loops,
        ],
        relays=[Relay("notification", db, kafka)],
        checks=[keys.ready],
        customize=webhooks.attach,
    )


SERVICE = Service("notification", NotificationSettings, build)
"""Roles as in every service; all senders run in `consume`, beside the consumers."""
