"""Sending one mail by SMTP, for auth (invitations) and notification (everything a customer gets).

Errors tell whether trying again can help (RFC 5321: 4yz transient, 5yz permanent).
"""

from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import aiosmtplib
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicekit.errors import PermanentError, SlotwrightError


class SmtpSettings(BaseSettings):
    """Where mail goes and whom it comes from."""

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_", extra="ignore", frozen=True)

    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1025
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool | None = Field(default=None, description="None upgrades when the server offers it.")
    smtp_timeout: float = Field(default=10, description="Seconds for the whole exchange.")
    mail_from: str = "Slotwright <no-reply@slotwright.example>"


class MailRefused(PermanentError):
    """The server will not take this mail: a bad address, say."""


class MailUnavailable(SlotwrightError):
    """The server could not be reached, or asks to come back later."""


class Mailer:
    """One SMTP server. A connection a mail: no state to lose when the server goes away."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings

    async def send(
        self,
        to: str,
        subject: str,
        text: str,
        *,
        html: str | None = None,
        sender: str | None = None,
        message_id: str | None = None,
        headers: dict[str, str] | None = None,
        attachments: tuple[tuple[str, str, bytes], ...] = (),
    ) -> str:
        """Hands one mail to the server and answers its Message-ID.

        `attachments` are (file name, media type, content). Raises MailRefused or MailUnavailable.
        """
        message = EmailMessage()
        message["From"] = sender or self._settings.mail_from
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = message_id or make_msgid(domain="slotwright.example")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation answers
        for name, value in (headers or {}).items():
            message[name] = value
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        for filename, media_type, content in attachments:
            maintype, subtype = media_type.split("/", 1)
            message.add_attachment(content, maintype=maintype, subtype=subtype, filename=filename)
        await self._deliver(message)
        return str(message["Message-ID"])

    async def _deliver(self, message: EmailMessage) -> None:
        settings = self._settings
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_username,
                password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
                start_tls=settings.smtp_starttls,
                timeout=settings.smtp_timeout,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = {recipient.code for recipient in error.recipients}
            refused = any(code >= 500 for code in codes)
            raise (MailRefused if refused else MailUnavailable)(
                f"recipient refused: {sorted(codes)}"
            ) from error
        except aiosmtplib.SMTPResponseException as error:
            raise (MailRefused if error.code >= 500 else MailUnavailable)(f"SMTP {error.code}") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUnavailable(f"{type(error).__name__}: {error}") from error
