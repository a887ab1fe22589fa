"""The providers of messages: SMTP for mail; for text messages an HTTP service, or a mock for a person to see.

Called by notification.delivery, outside any transaction. Each provider is given the message's id, so that a repeat
can be recognised where the other side is able to: by Message-ID, or by Idempotency-Key.

Whatever a provider's other side does, the message has one of three fates (docs/messages.md): taken, refused for
good by an answer that is about this message, or to be tried later. An answer that makes no sense is tried later, as
it does not say whether the message was taken.
"""

from email.header import Header
from email.headerregistry import BaseHeader
from email.policy import Policy
from email.utils import quote
from http import HTTPStatus
from typing import Annotated, Any, Protocol
from uuid import UUID

import aiohttp
import phonenumbers
import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from contracts.booking import Channel
from notification import store
from notification.drafts import Draft
from notification.letters import Letter, one_line
from notification.settings import NotificationSettings
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.errors import PermanentError, SlotwrightError
from servicekit.http.models import EmailAddress
from servicekit.mail import Attachment, Mailer, MailRefused, MailUnavailable, as_sent

log = structlog.get_logger(__name__)

_ADDRESS: TypeAdapter[str] = TypeAdapter(EmailAddress)
_REFUSES = frozenset({400, 410, 413, 422})
"""Statuses that refuse the message. Others are about the connection: a URL or a token that is wrong until somebody
corrects it, a redirect, an earlier attempt with the same key that is still under way (409), too many at once."""
_IN_DOUBT = frozenset({500, 502, 504})
"""Statuses that may answer a message that was taken: the failure came after that, or a proxy answers."""
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""Errors from before anything of a message was sent."""
_LONGEST_ANSWER = 65_536


class TakenAnswer(BaseModel):
    """What the HTTP provider's 2xx holds, if anything."""

    model_config = ConfigDict(strict=True)

    id: Annotated[str, Field(min_length=1)]


class Refused(PermanentError):
    """The message will not be taken, however often it is tried; `reason` is CamelCase.

    `bounced` says that there is nobody at the address, so that nothing else need be sent there either.
    """

    def __init__(self, reason: str, detail: str, *, bounced: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.bounced = bounced


class TryLater(SlotwrightError):
    """The provider cannot be reached, or asks to be tried again later.

    `in_doubt` when it was given the message, and it is not known whether it took it.
    """

    def __init__(self, detail: str, *, in_doubt: bool = False) -> None:
        super().__init__(detail)
        self.in_doubt = in_doubt


class Provider(Protocol):
    """Carries the messages of one channel."""

    name: str
    channel: Channel

    async def send(self, tenant_id: UUID, message_id: UUID, draft: Draft) -> None:
        """Hands one message over. Raises Refused or TryLater.

        Returning says that the other side has it, and keeps it. A call may be cancelled when it takes too long
        (20 s); it may come again for the same `message_id`, with other words when more is known. No error's text
        holds the address.
        """


class SmtpProvider:
    """Mail, by servicekit's Mailer."""

    name = "smtp"
    channel = Channel.EMAIL

    def __init__(self, mailer: Mailer, mail_from: str) -> None:
        """`mail_from` is an address alone; the business's name goes before it."""
        self._mailer = mailer
        self._from = mail_from

    async def send(self, tenant_id: UUID, message_id: UUID, draft: Draft) -> None:
        address, letter = _checked(draft.address), draft.letter
        reply_to = _reply_to(draft.reply_to)
        try:
            await self._mailer.send(
                address,
                letter.subject,
                letter.text,
                html=letter.html,
                sender=_from(one_line(draft.sender), self._from),
                message_id=message_id,
                headers=_headers(reply_to, letter.unsubscribe_url),
                attachments=_attachments(letter),
            )
        except MailRefused as error:
            # Only the server's code: its sentence may repeat the address.
            reason = "NoSuchMailbox" if error.no_mailbox else "Rejected"
            raise Refused(reason, str(error), bounced=error.no_mailbox) from None
        except MailUnavailable as error:
            raise TryLater(_without(str(error), address), in_doubt=error.in_doubt) from None
        except ValueError:
            raise Refused("BadAddress", "no header can hold this address") from None


class MockSmsProvider:
    """Keeps text messages in the database and sends none; `GET /v1/messages/{id}` shows them."""

    name = "mock"
    channel = Channel.SMS

    def __init__(self, db: Database, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def send(self, tenant_id: UUID, message_id: UUID, draft: Draft) -> None:
        _check_number(draft.address)
        async with self._db.tenant(tenant_id) as conn:
            await store.keep_sms(conn, tenant_id, message_id, draft.letter.text, self._clock())


class HttpSmsProvider:
    """POSTs `{to, text, sender, message_id}` as JSON, with a bearer token and an Idempotency-Key.

    Taken: 2xx with an empty body, or with a JSON object whose `id` is a text. Refused: 400, 410, 413, 422. Anything
    else is tried later, a 2xx with another body too: whoever wrote that may not have taken the message.
    """

    name = "http"
    channel = Channel.SMS

    def __init__(self, url: str, token: SecretStr, *, timeout: float) -> None:
        self._url = url
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=0.9 * timeout, sock_connect=timeout / 2)

    async def send(self, tenant_id: UUID, message_id: UUID, draft: Draft) -> None:
        _check_number(draft.address)
        headers = {
            "Authorization": f"Bearer {self._token.get_secret_value()}",
            "Idempotency-Key": str(message_id),
        }
        body = {
            "to": draft.address,
            "text": draft.letter.text,
            "sender": one_line(draft.sender),
            "message_id": str(message_id),
        }
        try:
            # A session a message, as with mail: nothing to lose when the other side goes away. Redirects are not
            # followed, as they would carry the token elsewhere.
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(self._url, json=body, headers=headers, allow_redirects=False) as answer,
            ):
                content, status = await _content(answer), answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise TryLater(type(error).__name__, in_doubt=not isinstance(error, _NOT_SENT)) from None
        if status in _REFUSES:
            raise Refused("Rejected", f"HTTP {status}")
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise TryLater(f"HTTP {status}", in_doubt=status in _IN_DOUBT)
        if not _says_taken(content):
            detail = f"HTTP {status} with an answer that does not say that it was taken"
            raise TryLater(detail, in_doubt=True)


def sms_provider(settings: NotificationSettings, db: Database) -> Provider:
    """The one that the settings name."""
    if settings.sms_provider == "http":
        assert settings.sms_url is not None and settings.sms_token is not None  # noqa: S101, PT018 - checked there
        return HttpSmsProvider(settings.sms_url, settings.sms_token, timeout=settings.send_timeout)
    log.warning("text messages are kept for a person to look at, and none is sent", sms_provider="mock")
    return MockSmsProvider(db)


class _Written(BaseHeader):
    """A header that goes out as it is written; lines end between encoded words only.

    The library's own folding loses the quotes of a long name, so that `a@b.example, …` in it becomes an address
    (gh-80222).
    """

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Called by BaseHeader: nothing of it is decoded."""
        kwds |= {"decoded": value, "parse_tree": None}

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}".replace("?= ", f"?={policy.linesep} ")


def _from(name: str, address: str) -> str:
    """Whatever a business is called, this is one address (RFC 5322, RFC 2047). Raises ValueError."""
    plain = name.isascii() and "=?" not in name
    phrase = f'"{quote(name)}"' if plain else Header(name, "utf-8", header_name="From").encode(linesep="")
    return _Written("From", f"{phrase} <{address}>")


def _headers(reply_to: str | None, unsubscribe_url: str | None) -> dict[str, str]:
    """RFC 8058: one click unsubscribes, by a POST to the link; without HTTPS the link stands alone (RFC 2369)."""
    headers = {"Reply-To": reply_to} if reply_to else {}
    if unsubscribe_url is not None:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        if unsubscribe_url.startswith("https://"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _attachments(letter: Letter) -> tuple[Attachment, ...]:
    if letter.calendar is None or letter.calendar_method is None:
        return ()
    parameters = {"charset": "utf-8", "method": letter.calendar_method, "component": "VEVENT"}  # RFC 6047
    return (Attachment("appointment.ics", "text/calendar", letter.calendar, parameters),)


async def _content(answer: aiohttp.ClientResponse) -> bytes | None:
    """The answer's body; None when it is longer than any that says that a message was taken."""
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > _LONGEST_ANSWER:
            return None
    return bytes(content)


def _says_taken(content: bytes | None) -> bool:
    if content is None or not content.strip():
        return content is not None
    try:
        TakenAnswer.model_validate_json(content)
    except ValidationError:
        return False
    return True


def _checked(address: str) -> str:
    """One address and nothing else: `To: a@x, b@y` would go to two."""
    try:
        return _ADDRESS.validate_python(address)
    except ValidationError:
        raise Refused("BadAddress", "not an e-mail address") from None


def _reply_to(address: str | None) -> str | None:
    """The address for Reply-To, if there is one that any server takes: in ASCII (else RFC 6532)."""
    try:
        written = as_sent(_checked(address)) if address else ""
    except (Refused, ValueError):
        return None
    return written if written and written.isascii() else None


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
