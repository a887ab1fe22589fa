"""The customer of an appointment: the fields in forms, the API's body, and whether they are told of a change.

Used by the booking page, the dashboard's pages on which appointments are made and changed, its page of a customer,
and the templates.
"""

import re
from collections.abc import Mapping
from typing import Any

from web.forms import Form

FIELDS = {
    "/customer/name": "name",
    "/customer/email": "email",
    "/customer/phone": "phone",
    "/consent": "consent_email",
}
"""The form's field of each JSON pointer, for Form.absorb."""
_BETWEEN_DIGITS = re.compile(r"\(0\)|[\s().\-–/]")
"""What is typed between digits: in +44 (0)20 7946 0958, the zero in brackets is dialled within the country only."""


def require(form: Form) -> None:
    """Notes a fault for what is missing of somebody who books for themselves."""
    form.require("name", "email")
    _require_number(form)


def require_reachable(form: Form) -> None:
    """Notes a fault for what is missing of somebody for whom the business books: a number is enough."""
    form.require("name")
    if form.checked("consent_email") and not form.get("email"):
        form.faults["email"] = "An address is needed for e-mails."
    elif not form.get("email") and not form.get("phone"):
        form.faults["email"] = "An address or a number is needed."
    _require_number(form)


def _require_number(form: Form) -> None:
    if form.checked("consent_sms") and not form.get("phone"):
        form.faults["phone"] = "A number is needed for text messages."


def customer(form: Form) -> dict[str, str]:
    """The customer as the API takes them, the number without spaces, dots, hyphens and brackets."""
    typed = {name: form.get(name) for name in ("name", "email") if form.get(name)}
    if phone := _BETWEEN_DIGITS.sub("", form.get("phone")):
        typed["phone"] = phone
    return typed


def told(customer: Mapping[str, Any]) -> str:
    """The end of a sentence on a change: whether the customer is told. Notices go out by e-mail only."""
    if customer["consent"]["email"]:
        return "the customer is told by e-mail"
    return "it is for you to tell the customer, who takes no e-mails"


def consent(form: Form) -> dict[str, bool]:
    return {"email": form.checked("consent_email"), "sms": form.checked("consent_sms")}
