"""Whom an appointment is for, in a form: who was typed, and what they agreed to be told by, as the API takes them.

Used by the booking page, the waitlist's, and the page on which the business books for somebody.
"""

import re

from web.forms import Form

FIELDS = {
    "/customer/name": "name",
    "/customer/email": "email",
    "/customer/phone": "phone",
    "/consent": "consent_email",
}
"""The form's field of each JSON pointer, for Form.absorb."""
_BETWEEN_DIGITS = re.compile(r"\(0\)|[\s().\-–/]")
"""Of +44 (0)20 7946 0958; the zero in brackets is dialled within the country only."""


def require(form: Form) -> None:
    """Notes a fault for what is missing."""
    form.require("name", "email")
    if form.checked("consent_sms") and not form.get("phone"):
        form.faults["phone"] = "A number is needed for text messages."


def customer(form: Form) -> dict[str, str]:
    """Who was typed, the number without what people put between its digits."""
    typed = {name: form.get(name) for name in ("name", "email")}
    if phone := _BETWEEN_DIGITS.sub("", form.get("phone")):
        typed["phone"] = phone
    return typed


def consent(form: Form) -> dict[str, bool]:
    return {"email": form.checked("consent_email"), "sms": form.checked("consent_sms")}
