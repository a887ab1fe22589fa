"""What is typed into the form by which the business books for somebody, and what stands in it."""

import re
from urllib.parse import urlencode

from support import web_samples as samples
from unit.web.open_business import NINE

NEW = "/dashboard/appointments/new"
DETAILS = f"{NEW}/details"
BOOK = "POST /v1/appointments"
BOOK_SERIES = "POST /v1/series"
CUSTOMERS = "GET /v1/customers"
KNOWN = f"GET /v1/customers/{samples.CUSTOMER}"
TYPED = {
    "name": "Bea <Bond>",
    "email": "bea@customer.example",
    "phone": "+351 912 345 678",
    "consent_email": "yes",
    "starts_at": f"{NINE:%Y-%m-%dT%H:%M}",
    "staff": str(samples.GRACE),
    "notes": "Left-handed </textarea>",
}
DAY = f"/dashboard?date={NINE.date().isoformat()}"


def details(**query: object) -> str:
    return f"{DETAILS}?{urlencode({'service': samples.SERVICE} | query)}"


def field(page: str, name: str) -> str:
    """The tag of a field."""
    found = re.search(rf'<(?:input|select|textarea) id="{re.escape(name)}"[^>]*>', page)
    assert found, name
    return found[0]


def chosen(page: str, name: str) -> list[str]:
    """What is chosen in a list."""
    listed = re.search(rf'<select id="{name}".*?</select>', page, re.S)
    assert listed, name
    return re.findall(r'<option value="([^"]*)" selected>', listed[0])
