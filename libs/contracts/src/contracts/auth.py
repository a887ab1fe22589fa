"""What auth tells: somebody wants a business. The operator makes a Tenant of it.

The topic is compacted and its key is the sign-up, so that a tombstone removes the person's name and address
once the Tenant exists or the sign-up has failed.
"""

from typing import ClassVar
from uuid import UUID

from contracts.model import CurrencyCode, Event, Slug


class SignupRequested(Event):
    TYPE: ClassVar[str] = "auth.signup.requested.v1"
    TOPIC: ClassVar[str] = "auth.signup.v1"

    signup_id: UUID
    slug: Slug
    display_name: str
    owner_email: str
    owner_name: str
    plan: str
    timezone: str
    locale: str
    currency: CurrencyCode

    @property
    def key(self) -> str:
        return str(self.signup_id)
