"""Who carries messages: an SMTP server for mail; for text messages an HTTP service, or a mock for a person to see.

Called by notification.delivery, outside any transaction. Each provider is given the message's id, so that a repeat
can be recognised where the other side is able to: by Message-ID, or by Idempotency-Key.
"""

from email.headerregistry import Address
from email.utils import parseaddr
from typing import Protocol
from uuid import UUID

import aiohttp
import phonenumbers
import structlog
from pydantic import SecretStr, TypeAdapter, ValidationError

from contracts.booking import Channel
from notification import store
from notification.letters import Letter, one_line
from notification.settings import NotificationSettings
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.errors import PermanentError, SlotwrightError
from servicekit.http.models import EmailAddress
from servicekit.mail import Mailer, MailRefused, MailUnavailable

log = structlog.get_logger(__name__)

_ADDRESS: TypeAdapter[str] = TypeAdapter(EmailAddress)
_DOMAIN = "slotwright.example"
_TRY_AGAIN = frozenset({408, 409, 425, 429})
"""Client errors that time mends; 409 says that an earlier attempt with the same key is still under way."""


class Refused(PermanentError):
    """The message will not be taken, however often it is tried; `reason` is CamelCase."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class TryLater(SlotwrightError):
    """The provider is not there, or asks to come back."""


class Provider(Protocol):
    """Carries the messages of one channel."""

    name: str
    channel: Channel

    async def send(
        self,
        tenant_id: UUID,
        message_id: UUID,
        to: str,
        letter: Letter,
        *,
        sender: str,
        reply_to: str | None,
    ) -> None:
        """Hands one message over. `sender` is the business's name. Raises Refused or TryLater.

        No error's text holds the address.
        """


def mail_message_id(message_id: UUID) -> str:
    """The Message-ID of a message: the same at each attempt."""
    return f"<{message_id}@{_DOMAIN}>"


class SmtpProvider:
    """Mail, by servicekit's Mailer."""

    name = "smtp"
    channel = Channel.EMAIL

    def __init__(self, mailer: Mailer, mail_from: str) -> None:
        self._mailer = mailer
        self._from = parseaddr(mail_from)[1]

    async def send(
        self,
        tenant_id: UUID,
        message_id: UUID,
        to: str,
        letter: Letter,
        *,
        sender: str,
        reply_to: str | None,
    ) -> None:
        address = _checked(to)
        answer_to = _checked_or_none(reply_to)
        try:
            await self._mailer.send(
                address,
                letter.subject,
                letter.text,
                html=letter.html,
                sender=str(Address(display_name=one_line(sender), addr_spec=self._from)),
                message_id=mail_message_id(message_id),
                headers={"Reply-To": answer_to} if answer_to else None,
            )
        except MailRefused as error:
            # Only the server's code: its sentence may repeat the address.
            raise Refused("Rejected", str(error)) from None
        except MailUnavailable as error:
            raise TryLater(_without(str(error), address)) from None
        except ValueError:
            raise Refused("BadAddress", "no header can hold this address") from None


class MockSmsProvider:
    """Keeps text messages in the database and sends none; `GET /v1/messages/{id}` shows them."""

    name = "mock"
    channel = Channel.SMS

    def __init__(self, db: Database, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def send(
        self,
        tenant_id: UUID,
        message_id: UUID,
        to: str,
        letter: Letter,
        *,
        sender: str,
        reply_to: str | None,
    ) -> None:
        _check_number(to)
        async with self._db.tenant(tenant_id) as conn:
            await store.keep_sms(conn, tenant_id, message_id, letter.text, self._clock())


class HttpSmsProvider:
    """POSTs `{to, text, sender, message_id}` as JSON, with a bearer token and an Idempotency-Key.

    2xx: taken. 408, 409, 425, 429, 5xx, no answer: later again. Any other: refused.
    """

    name = "http"
    channel = Channel.SMS

    def __init__(self, url: str, token: SecretStr, *, timeout: float) -> None:
        self._url = url
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def send(
        self,
        tenant_id: UUID,
        message_id: UUID,
        to: str,
        letter: Letter,
        *,
        sender: str,
        reply_to: str | None,
    ) -> None:
        _check_number(to)
        headers = {
            "Authorization": f"Bearer {self._token.get_secret_value()}",
            "Idempotency-Key": str(message_id),
        }
        body = {"to": to, "text": letter.text, "sender": one_line(sender), "message_id": str(message_id)}
        try:
            # A session a message, as with mail: nothing to lose when the other side goes away. Redirects are not
            # followed, as they would carry the token elsewhere.
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(self._url, json=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TryLater(type(error).__name__) from None
        if status >= 500 or status in _TRY_AGAIN:
            raise TryLater(f"HTTP {status}")
        if status >= 300:
            raise Refused("Rejected", f"HTTP {status}")


def sms_provider(settings: NotificationSettings, db: Database) -> Provider:
    """The one that the settings name."""
    if settings.sms_provider == "http":
        assert settings.sms_url is not None and settings.sms_token is not None  # noqa: S101, PT018 - checked there
        return HttpSmsProvider(settings.sms_url, settings.sms_token, timeout=settings.send_timeout)
    log.warning("text messages are kept for a person to look at, and none is sent", sms_provider="mock")
    return MockSmsProvider(db)


def _checked(address: str) -> str:
    """One address and nothing else: `To: a@x, b@y` would go to two."""
    try:
        return _ADDRESS.validate_python(address)
    except ValidationError:
        raise Refused("BadAddress", "not an e-mail address") from None


def _checked_or_none(address: str | None) -> str | None:
    try:
        return _checked(address) if address else None
    except Refused:
        return None


def _check_number(number: str) -> None:
    """E.164 of a possible length: whoever dials in vain may still charge for it."""
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        possible = False
    if not possible:
        raise Refused("BadAddress", "not a telephone number")


def _without(text: str, address: str) -> str:
    return text.replace(address, "…")
