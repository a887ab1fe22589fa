"""Wires auth: the one place that knows every part. Run by `auth.__main__`, and by tests."""

from auth.attempts import Attempts
from auth.consumers import AuthHooks
from auth.invitations import Invitations
from auth.keyring import Keyring, Seal
from auth.links import PasswordLinks
from auth.members import Members
from auth.passwords import Passwords
from auth.routes import ROUTERS
from auth.service import AuthService
from auth.sessions import Sessions
from auth.settings import AuthSettings
from auth.signups import Signups
from auth.workers import AuthHousekeeping, MailSender
from contracts.platform import Component
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.housekeeping import Housekeeping
from servicekit.http.tokens import TokenVerifier
from servicekit.mail import Mailer, SmtpSettings
from servicekit.relay import Relay
from servicekit.runtime import Parts, Service
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings, TokenSettings
from servicekit.tenancy import TenantFollower


def service_of(
    db: Database, keyring: Keyring, settings: AuthSettings, tokens: TokenSettings, *, clock: Clock = utc_now
) -> AuthService:
    """The service layer over a database and the signing keys."""
    passwords = Passwords()
    attempts = Attempts(window_seconds=settings.attempt_window_seconds, clock=clock)
    issuer = tokens.token_issuer or settings.public_url
    sessions = Sessions(
        db,
        keyring,
        passwords,
        attempts,
        settings,
        issuer=issuer,
        audience=tokens.token_audience,
        clock=clock,
    )
    return AuthService(
        sessions=sessions,
        invitations=Invitations(db, attempts, per_business=settings.invitations_per_business, clock=clock),
        members=Members(db, clock=clock),
        links=PasswordLinks(db, passwords, attempts, settings, clock=clock),
        signups=Signups(db, attempts, per_address=settings.signups_per_address, clock=clock),
        keyring=keyring,
        issuer=issuer,
        public_url=settings.public_url.rstrip("/"),
        behind_gateway=settings.behind_gateway,
    )


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, AuthSettings)  # noqa: S101 - SERVICE says so
    kafka = KafkaSettings()
    tokens = TokenSettings()
    db = Database(DatabaseSettings(), application="auth")
    keyring = Keyring(db, Seal(settings.sealing_key()), settings.key_times())
    service = service_of(db, keyring, settings, tokens)
    tenants = TenantFollower(Component.AUTH, db, kafka, AuthHooks())
    return Parts(
        routers=ROUTERS,
        service=service,
        verifier=TokenVerifier(keyring, issuer=service.issuer, audience=tokens.token_audience),
        database=db,
        loops=[keyring],
        consumers=[
            tenants.consumer,
            tenants.remover,
            tenants.reporter,
            MailSender(db, Mailer(SmtpSettings()), settings),
            AuthHousekeeping(db, settings),
            Housekeeping("auth", db),
        ],
        relays=[Relay("auth", db, kafka)],
        checks=[keyring.ready],
    )


SERVICE = Service("auth", AuthSettings, build)
