"""Wires business: the one place that knows every part. Run by `business.__main__`, and by tests."""

from business.consumers import BusinessHooks
from business.routes import ROUTERS
from business.service import BusinessService
from business.settings import BusinessSettings
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
    kafka = KafkaSettings()
    tokens = TokenSettings()
    db = Database(DatabaseSettings(), application="business")
    keys = RemoteKeys(tokens)
    tenants = TenantFollower(Component.BUSINESS, db, kafka, BusinessHooks())
    return Parts(
        routers=ROUTERS,
        service=BusinessService(db),
        verifier=TokenVerifier.of_settings(keys, tokens, settings.public_url),
        database=db,
        loops=[keys],
        consumers=[tenants.consumer, tenants.remover, tenants.reporter, Housekeeping("business", db)],
        relays=[Relay("business", db, kafka)],
        checks=[keys.ready],
    )


SERVICE = Service("business", BusinessSettings, build)
