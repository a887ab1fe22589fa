"""What booking answers of customers, and what the audit trails say, made with the services' own models."""

import datetime as dt
from typing import Any
from uuid import UUID

from booking.routes.models import CustomerAnswer
from contracts.booking import Consent
from servicekit.http.audit import ActorAnswer, EntityAnswer, EntryAnswer
from support.web_samples import ADA, CUSTOMER


def customer(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": CUSTOMER,
        "version": 7,
        "name": "Lin <Chen>",
        "email": "lin@example.com",
        "phone": "+351912345678",
        "locale": "pt-BR",
        "consent": Consent(email=True, sms=False),
        "notes": "Tea, <b>no milk",
        "erased_at": None,
    }
    return CustomerAnswer(**values | changes).model_dump(mode="json")


def erased(at: dt.datetime) -> dict[str, Any]:
    """As booking leaves somebody whom it has erased."""
    nobody = Consent(email=False, sms=False)
    kept = {"name": f"Erased {CUSTOMER}", "email": None, "phone": None, "locale": "und", "notes": ""}
    return customer(**kept, consent=nobody, erased_at=at)


def entry(
    action: str,
    kind: str,
    entity: UUID,
    changes: dict[str, Any] | None = None,
    *,
    actor: tuple[str, UUID | None] = ("member", ADA),
    at: dt.datetime = dt.datetime(2026, 7, 1, 8, 30, tzinfo=dt.UTC),
) -> dict[str, Any]:
    """Of an audit trail."""
    return EntryAnswer(
        id=UUID(int=99),
        at=at,
        actor=ActorAnswer(kind=actor[0], id=actor[1]),
        request_id="r-1",
        action=action,
        entity=EntityAnswer(kind=kind, id=entity),
        changes=changes or {},
    ).model_dump(mode="json")
