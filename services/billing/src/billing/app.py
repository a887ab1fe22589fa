"""Wires billing: the one place that knows every part. Run by `billing.__main__`, and by tests."""

from billing.consumers import BillingHooks, usage_consumer
from billing.reconcile import Reconciler
from billing.routes import ROUTERS
from billing.service import BillingService
from billing.settings import BillingSettings
from billing.stripe_api import StripeApi
from billing.workers import BillingWorker
from contracts.platform import Component
from servicekit.db import Database
from servicekit.housekeeping import Housekeeping
from servicekit.http.tokens import RemoteKeys, TokenVerifier
from servicekit.relay import Relay
from servicekit.runtime import Parts, Service
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings, TokenSettings
from servicekit.tenancy import TenantFollower


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, BillingSettings)  # noqa: S101 - SERVICE says so
    kafka = KafkaSettings()
    tokens = TokenSettings()
    db = Database(DatabaseSettings(), application="billing")
    keys = RemoteKeys(tokens)
    api = StripeApi(settings)
    reconciler = Reconciler(db, api, return_url=f"{settings.public_url.rstrip('/')}/dashboard")
    tenants = TenantFollower(Component.BILLING, db, kafka, BillingHooks())
    return Parts(
        routers=ROUTERS,
        service=BillingService(db, api, settings),
        verifier=TokenVerifier.of_settings(keys, tokens, settings.public_url),
        database=db,
        loops=[keys],
        consumers=[
            tenants.consumer,
            tenants.remover,
            usage_consumer(db, kafka),
            BillingWorker(db, reconciler, resync_seconds=settings.resync_seconds),
            Housekeeping("billing", db),
        ],
        relays=[Relay("billing", db, kafka)],
        checks=[keys.ready],
    )


SERVICE = Service("billing", BillingSettings, build)
