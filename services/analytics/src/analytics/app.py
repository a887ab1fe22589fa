"""Wires analytics: the one place that knows every part. Run by `analytics.__main__`, and by tests."""

from analytics.consumers import figures_consumer
from analytics.routes import ROUTERS
from analytics.service import AnalyticsService
from analytics.settings import AnalyticsSettings
from contracts.platform import Component
from servicekit.db import Database
from servicekit.housekeeping import Housekeeping
from servicekit.http.tokens import RemoteKeys, TokenVerifier
from servicekit.relay import Relay
from servicekit.runtime import Parts, Service
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings, TokenSettings
from servicekit.tenancy import TenantFollower, TenantHooks


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    kafka = KafkaSettings()
    tokens = TokenSettings()
    db = Database(DatabaseSettings(), application="analytics")
    keys = RemoteKeys(tokens)
    tenants = TenantFollower(Component.ANALYTICS, db, kafka, TenantHooks())
    return Parts(
        routers=ROUTERS,
        service=AnalyticsService(db),
        verifier=TokenVerifier.of_settings(keys, tokens, settings.public_url),
        database=db,
        loops=[keys],
        consumers=[
            tenants.consumer,
            tenants.remover,
            figures_consumer(db, kafka),
            Housekeeping("analytics", db),
        ],
        relays=[Relay("analytics", db, kafka)],
        checks=[keys.ready],
    )


SERVICE = Service("analytics", AnalyticsSettings, build)
