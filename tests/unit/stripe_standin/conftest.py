"""A stand-in in this process, and a client that speaks to it as Stripe's own libraries do."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from stripe_standin.app import create_app
from stripe_standin.settings import StandinSettings

KEY = "sk_test_unit"


def encode(params: dict[str, Any]) -> str:
    """Nested parameters as Stripe's form encoding."""
    pairs: list[tuple[str, str]] = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{name}[{key}]" if name else key, item)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                walk(f"{name}[{number}]", item)
        else:
            pairs.append((name, str(value).lower() if isinstance(value, bool) else str(value)))

    walk("", params)
    return urlencode(pairs)


class Api:
    """Calls that are expected to succeed answer their body; `call` answers whatever came."""

    def __init__(self, http: TestClient) -> None:
        self.http = http

    def call(self, method: str, path: str, params: dict[str, Any] | None = None, **headers: str) -> Response:
        encoded = encode(params or {})
        sent = {"Authorization": f"Bearer {KEY}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if method == "POST":
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            posted: Response = self.http.request(method, path, content=encoded, headers=sent)
            return posted
        answer: Response = self.http.request(method, f"{path}?{encoded}" if encoded else path, headers=sent)
        return answer

    def get(self, path: str, **params: Any) -> Any:
        return self._done(self.call("GET", path, params))

    def post(self, path: str, **params: Any) -> Any:
        return self._done(self.call("POST", path, params))

    def delete(self, path: str) -> Any:
        return self._done(self.call("DELETE", path))

    def control(self, method: str, where: str, /, **body: Any) -> Any:
        return self._done(
            self.http.request(method, f"/_standin{where}", json=None if method == "GET" else body)
        )

    def _done(self, answer: Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()

    def price(self, amount: int = 2900, **extra: Any) -> str:
        made = self.post(
            "/v1/prices",
            currency="eur",
            unit_amount=amount,
            product_data={"name": "Pro"},
            recurring={"interval": "month"},
            **extra,
        )
        return str(made["id"])

    def customer(self, *, card: str | None = None) -> str:
        """A customer, with a saved default card when one is given."""
        key = str(self.post("/v1/customers", email="ada@riverside.example")["id"])
        if card is not None:
            session = self.post(
                "/v1/checkout/sessions",
                mode="setup",
                customer=key,
                currency="eur",
                success_url="http://shop.example/",
            )
            self.http.post(session["url"], data={"card": card}, follow_redirects=False)
            (method,) = self.get("/v1/payment_methods", customer=key)["data"]
            self.post(f"/v1/customers/{key}", invoice_settings={"default_payment_method": method["id"]})
        return key

    def subscribe(self, customer: str, price: str, **extra: Any) -> Any:
        return self.post("/v1/subscriptions", customer=customer, items=[{"price": price}], **extra)

    def types(self) -> list[str]:
        """The types of all events, oldest first."""
        return [event["type"] for event in self.get("/v1/events", limit=100)["data"]][::-1]


@pytest.fixture
def api() -> Iterator[Api]:
    settings = StandinSettings(api_key=KEY, public_url="http://testserver")
    with TestClient(create_app(settings)) as http:
        yield Api(http)
