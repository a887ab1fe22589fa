"""Wires booking: the one place that knows every part. Run by `booking.__main__`, and by tests."""

from booking.busy_calendars.fetching import BusyImport
from booking.busy_calendars.service import BusyCalendarService
from booking.busy_calendars.workers import BusyCalendarFetcher
from booking.catalog import CatalogFollower
from booking.consumers import BookingHooks, catalog_consumer
from booking.holds import HoldCap
from booking.records.feeds import FeedService
from booking.records.service import RecordService
from booking.routes import ROUTERS
from booking.routes.deps import Services
from booking.service import BookingService
from booking.settings import BookingSettings
from booking.waitlist.line import EntryCap
from booking.waitlist.service import WaitlistService
from booking.waitlist.workers import WaitlistOfferer
from booking.workers import HoldSweeper, Leftovers, PolicyFollower, UnconfirmedCanceller
from contracts.platform import Component
from servicekit.db import Database
from servicekit.housekeeping import Housekeeping
from servicekit.http.tokens import RemoteKeys, TokenVerifier
from servicekit.links import AppointmentLinks, WaitlistLinks
from servicekit.outbound import OutboundClient, OutboundSettings
from servicekit.relay import Relay
from servicekit.runtime import Parts, Service
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings, TokenSettings
from servicekit.tenancy import TenantFollower


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, BookingSettings)  # noqa: S101 - SERVICE says so
    kafka = KafkaSettings()
    tokens = TokenSettings()
    db = Database(DatabaseSettings(), application="booking")
    keys = RemoteKeys(tokens)
    tenants = TenantFollower(Component.BOOKING, db, kafka, BookingHooks())
    outbound = OutboundClient(OutboundSettings(), user_agent="Slotwright/1 (calendar import)")
    links = AppointmentLinks(settings.link_key)
    offerer = WaitlistOfferer(db, offer_seconds=settings.offer_seconds)
    services = Services(
        booking=BookingService(
            db,
            links=links,
            public_url=settings.public_url,
            hold_seconds=settings.hold_seconds,
            hold_cap=HoldCap(settings.link_key, most=settings.holds_per_address),
            freed=offerer.nudge,
            waitlist=WaitlistService(
                db,
                links=WaitlistLinks(settings.link_key),
                appointments=links,
                public_url=settings.public_url,
                offer_seconds=settings.offer_seconds,
                cap=EntryCap(settings.link_key, most=settings.waitlist_per_address),
                freed=offerer.nudge,
            ),
        ),
        records=RecordService(db),
        feeds=FeedService(db, public_url=settings.public_url),
        busy_calendars=BusyCalendarService(db, outbound),
        behind_gateway=settings.behind_gateway,
    )
    return Parts(
        routers=ROUTERS,
        service=services,
        verifier=TokenVerifier.of_settings(keys, tokens, settings.public_url),
        database=db,
        loops=[keys],
        consumers=[
            tenants.consumer,
            tenants.remover,
            tenants.reporter,
            catalog_consumer(db, kafka, CatalogFollower()),
            HoldSweeper(db),
            UnconfirmedCanceller(db),
            PolicyFollower(db),
            BusyCalendarFetcher(BusyImport(db, outbound)),
            offerer,
            Leftovers(db),
            Housekeeping("booking", db),
        ],
        relays=[Relay("booking", db, kafka)],
        checks=[keys.ready],
    )


SERVICE = Service("booking", BookingSettings, build)
