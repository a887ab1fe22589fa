"""Sending one mail by SMTP, for auth (invitations) and notification (everything a customer gets).

Errors tell whether trying again can help, and whether the mail may have been taken all the same. Only an answer
about this mail can refuse it: one to RCPT or to its content, with a 5yz that is not about the conversation (RFC
5321), or no SMTPUTF8 for an address that needs it. A server that greets with 554, no longer accepts our password or
breaks the protocol says nothing about the mail, which is tried again.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy, default
from email.utils import formatdate, parseaddr
from typing import Any
from uuid import UUID

import aiosmtplib
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from servicekit.errors import PermanentError, SlotwrightError


class SmtpSettings(BaseSettings):
    """Where mail goes and whom it comes from."""

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_", extra="ignore", frozen=True)

    smtp_host: str = Field(default="127.0.0.1", description="The mail server's host.")
    smtp_port: int = Field(default=1025, description="The mail server's port.")
    smtp_username: str | None = Field(
        default=None,
        description="The user to sign in as at the mail server; when not set, mails are sent without signing in.",
    )
    smtp_password: SecretStr | None = Field(default=None, description="That user's password.")
    smtp_starttls: bool | None = Field(
        default=None, description="Whether STARTTLS is used; when not set, where the server offers it."
    )
    smtp_timeout: float = Field(default=10, description="How long handing over one mail may take.")
    mail_from: str = Field(
        default="Slotwright <no-reply@slotwright.example>", description="The sender of mails."
    )


_REPLIES = range(200, 600)
"""RFC 5321 §4.2.1; the library has -1 for what is no reply."""
_REFUSALS = frozenset({501, 521, 541, *range(550, 580)})
"""Codes that are about a recipient or a content (RFC 5321 §4.2, RFC 7504; 541 and 571 as filters give them). The
other 5yz are about the conversation, about who we are, or nothing that is known."""
_NO_MAILBOX = re.compile(r"\s*5\.1\.(?:1|2|6|10)\b")
"""RFC 3463 and 7505: there is no such mailbox or domain, it has moved away, or its domain takes no mail."""
_GOODBYE_SECONDS = 2.0
_LONGEST_WORD = 60
"""Characters of a word, beyond which a header is encoded: without that its lines end between words only."""


class _WholeHeader(UnstructuredHeader, BaseHeader):
    """A header in one line: folding would write a long link as encoded words, which no mail client follows."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _Text(BaseHeader):
    """A header with the text that it is given, whatever that looks like.

    The library's own decodes what looks like an encoded word (RFC 2047). Where Python has not fixed
    CVE-2024-6923, a line break in that becomes one of the mail: a business called `=?utf-8?q?=0D=0A…?=` could
    write headers, and the whole content. It also loses spaces beside long words.
    """

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Called by BaseHeader: nothing of it is decoded."""
        kwds |= {"decoded": value, "parse_tree": None}

    def fold(self, *, policy: Policy) -> str:
        text, charset = str(self), "us-ascii"
        if not text.isascii() or "=?" in text or any(len(word) > _LONGEST_WORD for word in text.split()):
            charset = "utf-8"
        written = Header(text, charset, header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {written}{policy.linesep}"


def _policy() -> "EmailPolicy[EmailMessage]":
    headers = HeaderRegistry()
    headers.map_to_type("subject", _Text)
    headers.map_to_type("list-unsubscribe", _WholeHeader)
    return default.clone(header_factory=headers)


_POLICY = _policy()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail; `parameters` are its Content-Type's."""

    filename: str
    media_type: str
    content: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)


class MailRefused(PermanentError):
    """The server will not take this mail; `no_mailbox` when it says that there is nobody at the address."""

    def __init__(self, detail: str, *, no_mailbox: bool = False) -> None:
        super().__init__(detail)
        self.no_mailbox = no_mailbox


class MailUnavailable(SlotwrightError):
    """The server could not be reached, or asks to come back later.

    `in_doubt` when it was given the mail's content and did not say what it made of it.
    """

    def __init__(self, detail: str, *, in_doubt: bool = False) -> None:
        super().__init__(detail)
        self.in_doubt = in_doubt


def as_sent(address: str) -> str:
    """An address with its domain in ASCII (RFC 5890), as every server takes it. Raises ValueError for no domain."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{URL.build(scheme='https', host=domain).raw_host}"


def as_read(address: str) -> str:
    """An address with its domain in its own script, as people write it. Raises ValueError for no domain."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{URL.build(scheme='https', host=domain).host}"


class _Client(aiosmtplib.SMTP):
    """Notes in `handing_over` from when on the server may have the mail."""

    handing_over = False

    async def data(self, message: str | bytes, /, **options: Any) -> aiosmtplib.SMTPResponse:
        self.handing_over = True
        return await super().data(message, **options)


class Mailer:
    """One SMTP server. A connection a mail: no state to lose when the server goes away."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._domain = as_sent(parseaddr(settings.mail_from)[1]).rpartition("@")[2]
        self._leaving: set[asyncio.Task[None]] = set()

    async def send(
        self,
        to: str,
        subject: str,
        text: str,
        *,
        message_id: UUID | str,
        html: str | None = None,
        sender: str | None = None,
        headers: dict[str, str] | None = None,
        attachments: tuple[Attachment, ...] = (),
    ) -> str:
        """Hands one mail to the server and answers its Message-ID: `message_id` at the domain of MAIL_FROM.

        A mail that is sent again has to have the same `message_id`. Raises MailRefused or MailUnavailable;
        ValueError for what no header can hold.
        """
        message = EmailMessage(policy=_POLICY)
        message["From"] = sender or self._settings.mail_from
        message["To"] = as_sent(to)
        message["Subject"] = subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{message_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation answers
        for name, value in (headers or {}).items():
            message[name] = value
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        for item in attachments:
            maintype, subtype = item.media_type.split("/", 1)
            message.add_attachment(
                item.content,
                maintype=maintype,
                subtype=subtype,
                filename=item.filename,
                params=dict(item.parameters),
            )
        await self._deliver(message)
        return str(message["Message-ID"])

    async def _deliver(self, message: EmailMessage) -> None:
        settings = self._settings
        client = _Client(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            start_tls=settings.smtp_starttls,
            timeout=settings.smtp_timeout,
        )
        try:
            async with asyncio.timeout(settings.smtp_timeout):
                await _exchange(client, message)
        except TimeoutError as error:
            raise MailUnavailable("no answer in time", in_doubt=client.handing_over) from error
        finally:
            # Once the server has the mail, its answer to QUIT does not matter. Were it waited for, a slow one would
            # look like a failed attempt, and the mail would go out twice.
            leaving = asyncio.create_task(_say_goodbye(client))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


async def _exchange(client: _Client, message: EmailMessage) -> None:
    try:
        await client.connect()
        await client.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _verdict(error.recipients[0], "recipient refused: ") from error
    except aiosmtplib.SMTPDataError as error:
        raise _verdict(error) from error
    except aiosmtplib.SMTPResponseException as error:
        raise MailUnavailable(f"SMTP {error.code}", in_doubt=client.handing_over) from error
    except aiosmtplib.SMTPNotSupported as error:
        raise MailRefused("the server takes no address outside of ASCII (RFC 6531)") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailUnavailable(f"{type(error).__name__}: {error}", in_doubt=client.handing_over) from error


def _verdict(error: aiosmtplib.SMTPResponseException, about: str = "") -> MailRefused | MailUnavailable:
    """What an answer to RCPT or to the content means; only its code is told, as its words may hold the address."""
    if error.code in _REFUSALS:
        return MailRefused(f"{about}SMTP {error.code}", no_mailbox=bool(_NO_MAILBOX.match(error.message)))
    return MailUnavailable(f"{about}SMTP {error.code}", in_doubt=error.code not in _REPLIES)


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    try:
        await client.quit(timeout=_GOODBYE_SECONDS)
    except (aiosmtplib.SMTPException, OSError):
        pass
    finally:
        client.close()
