"""What a message says, and from whom: made up when it is sent, from what is known then.

Called by notification.delivery, in the transaction that decides about the message; the words are those of
notification.letters.
"""

from dataclasses import dataclass
from email.utils import parseaddr

import structlog

from contracts.platform import TenantChanged
from notification import rules_store, store
from notification.domain import Appointment, Customer, CustomerMessage, OwnerMessage
from notification.letters import Facts, Letter, Letters, OwnerFacts
from notification.settings import NotificationSettings
from notification.suppression import digest_of
from notification.webhooks.domain import Endpoint
from servicekit.clock import Clock
from servicekit.db import Connection
from servicekit.links import AppointmentLinks, Subscription, UnsubscribeLinks, WaitlistLinks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter with its address. `sender` is a name; an answer goes to `reply_to`, if anywhere."""

    address: str
    letter: Letter
    sender: str
    reply_to: str | None


class Drafts:
    """Writes messages to customers, from the business, and to its owner, from the platform."""

    def __init__(
        self, letters: Letters, settings: NotificationSettings, *, mail_from: str, clock: Clock
    ) -> None:
        """`mail_from` is the platform's, with its name: `Slotwright <no-reply@slotwright.example>`."""
        self._letters = letters
        self._appointment_links = AppointmentLinks(settings.link_key)
        self._waitlist_links = WaitlistLinks(settings.link_key)
        self._unsubscribe_links = UnsubscribeLinks(settings.link_key)
        self._public_url = settings.public_url.rstrip("/")
        self._platform, self._mail_from = parseaddr(mail_from)
        self._clock = clock

    async def to_customer(
        self,
        conn: Connection,
        message: CustomerMessage,
        tenant: TenantChanged,
        appointment: Appointment,
        customer: Customer,
        address: str,
    ) -> Draft:
        """About the appointment as it stands."""
        profile = await store.profile(conn, message.tenant_id)
        facts = await self._facts(conn, message, tenant, appointment, customer, profile, address)
        letter = await self._write(conn, message, facts)
        return Draft(address, letter, tenant.display_name, profile.contact_email if profile else None)

    def to_owner(
        self, message: OwnerMessage, tenant: TenantChanged, endpoint: Endpoint, address: str
    ) -> Draft:
        """About the endpoint as it stands, in the business's language."""
        facts = OwnerFacts(
            business=tenant.display_name,
            owner=tenant.owner.name,
            locale=tenant.locale,
            zone=tenant.timezone,
            endpoint=endpoint,
            disabled_at=message.disabled_at,
            page_url=f"{self._public_url}/dashboard/webhooks/{endpoint.endpoint_id}",
        )
        return Draft(address, self._letters.to_owner(facts), self._platform, None)

    async def _write(self, conn: Connection, message: CustomerMessage, facts: Facts) -> Letter:
        """In the business's own wording; where that fails, in ours, so that no message is lost."""
        language = self._letters.language(facts.locale)
        own = None
        if facts.section != "waitlist-offer":
            own = await rules_store.wording(conn, message.tenant_id, facts.section, message.channel, language)
        try:
            return self._letters.write(message.channel, facts, own)
        except Exception as error:  # noqa: BLE001 - whatever a template can raise
            log.warning(
                "the business's template failed, ours is used",
                message_id=str(message.message_id),
                kind=message.kind,
                channel=message.channel.value,
                template=facts.section,
                language=language,
                error=type(error).__name__,
            )
            return self._letters.write(message.channel, facts)

    async def _facts(
        self,
        conn: Connection,
        message: CustomerMessage,
        tenant: TenantChanged,
        appointment: Appointment,
        customer: Customer,
        profile: store.Profile | None,
        address: str,
    ) -> Facts:
        wanted = [appointment.service_id, *appointment.staff_ids]
        names = await store.names(conn, message.tenant_id, wanted)
        token = self._appointment_links.token(message.tenant_id, appointment.appointment_id)
        digest = digest_of(message.tenant_id, message.channel, address)
        subscription = Subscription(message.tenant_id, customer.customer_id, message.channel, digest)
        unsubscribe = self._unsubscribe_links.token(subscription)
        manage_url = f"{self._public_url}/appointments/{token}"
        if message.entry_id is not None:
            entry_token = self._waitlist_links.token(message.tenant_id, message.entry_id)
            manage_url = f"{self._public_url}/waitlist/{entry_token}"
        return Facts(
            kind=message.kind,
            business=tenant.display_name,
            address=profile.address if profile else None,
            business_zone=tenant.timezone,
            customer=customer.name,
            locale=customer.locale,
            service=names.get(appointment.service_id),
            staff=tuple(names[staff_id] for staff_id in appointment.staff_ids if staff_id in names),
            appointment=appointment,
            previous_starts_at=message.previous_starts_at,
            expires_at=message.expires_at,
            manage_url=manage_url,
            calendar_url=f"{self._public_url}/v1/public/appointments/{token}.ics",
            unsubscribe_url=f"{self._public_url}/unsubscribe/{unsubscribe}",
            organizer=(profile.contact_email if profile else None) or self._mail_from,
            written_at=self._clock(),
        )
