"""The Idempotency-Key of the dashboard's forms: one form takes effect once, whatever is mended in between."""

import pytest

from support import web_samples as samples
from support.web_site import Browser, Script, hidden_fields

pytestmark = pytest.mark.usefixtures("signed_in")
TIME_OFF = f"staff/{samples.ADA}/time-off"
NUMBERS = {name: str(value) for name, value in samples.service().items() if type(value) is int}
FORMS = [
    ("staff", "", {"name": "Lin"}, "staff"),
    ("rooms", "", {"name": "Sauna", "capacity": "1"}, "resources"),
    ("services/new", "", {"name": "Cut", "price": "25", **NUMBERS}, "services"),
    ("webhooks/new", "", {"url": "https://a.example", "events": "*"}, "webhook-endpoints"),
    ("members", "/invitations", {"name": "Lin", "email": "lin@a.example"}, "invitations"),
    ("messages/blocked", "", {"address": "lin@a.example"}, "suppressions"),
    (TIME_OFF, "", {"first_day": "2090-05-01"}, TIME_OFF),
]


@pytest.mark.parametrize(("page", "action", "typed", "things"), FORMS)
async def test_a_form_keeps_its_key_until_it_has_saved_something_else(
    gateway: Script, browser: Browser, page: str, action: str, typed: dict[str, str], things: str
) -> None:
    for empty in ("webhook-endpoints", "members", "invitations", "suppressions"):
        gateway.on(f"GET /v1/{empty}", samples.page())
    gateway.on(f"GET /v1/{TIME_OFF}", [])
    page, action = f"/dashboard/{page}", f"/dashboard/{page}{action}"
    fields = hidden_fields((await browser.get(page)).text, action)
    refused = await browser.post(action, data=fields)
    assert refused.status_code == 422
    assert hidden_fields(refused.text, action)["key"] == fields["key"]
    words = "This Idempotency-Key was used for a request with another body; take a new key."
    gateway.refuse(f"POST /v1/{things}", 422, "idempotency-key-reused", words)
    reused = await browser.post(action, data=fields | typed)
    assert "This form has saved something else before." in reused.text
    assert "Idempotency-Key" not in reused.text
    assert hidden_fields(reused.text, action)["key"] != fields["key"]
