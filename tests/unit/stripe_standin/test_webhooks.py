"""Webhooks are signed so that Stripe's library accepts them, come again when refused, and go wrong on demand."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe
from fastapi.testclient import TestClient

from stripe_standin.app import create_app
from stripe_standin.settings import StandinSettings

from .conftest import KEY, Api

SECRET = "whsec_unit"


@dataclass
class Endpoint:
    """Takes webhooks; refuses the next `refuse`, and says nothing to those it has while `answers` is not set."""

    refuse: int = 0
    answers: threading.Event = field(default_factory=threading.Event)
    bodies: list[tuple[bytes, str]] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for body, _signature in self.bodies]


@pytest.fixture
def endpoint() -> Iterator[tuple[Endpoint, str]]:
    made = Endpoint()
    made.answers.set()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused, made.refuse = made.refuse > 0, max(0, made.refuse - 1)
            if not refused:
                made.bodies.append((body, self.headers["Stripe-Signature"]))
            made.answers.wait(10)
            self.send_response(500 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def hooked(endpoint: tuple[Endpoint, str]) -> Iterator[tuple[Api, Endpoint]]:
    made, url = endpoint
    settings = StandinSettings(api_key=KEY, webhook_url=url, webhook_secret=SECRET)
    with TestClient(create_app(settings)) as http:
        yield Api(http), made


def _until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end, "not within 10 s"
        time.sleep(0.02)


def test_the_signature_is_stripes(hooked: tuple[Api, Endpoint]) -> None:
    api, made = hooked
    customer = api.post("/v1/customers", name="Ada")
    _until(lambda: len(made.bodies) == 1)
    body, signature = made.bodies[0]
    event = stripe.Webhook.construct_event(body, signature, SECRET)
    assert (event.type, event.data.object["id"]) == ("customer.created", customer["id"])
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")


def test_a_refused_delivery_comes_again(hooked: tuple[Api, Endpoint]) -> None:
    api, made = hooked
    made.refuse = 1
    api.post("/v1/customers")
    _until(lambda: _waiting(api) == 0)
    records = api.control("GET", "/webhooks")["records"]
    assert [record["outcome"] for record in records] == ["failed", "delivered"]


def _waiting(api: Api) -> int:
    return int(api.control("GET", "/webhooks")["waiting"])


def test_one_that_is_under_way_counts_as_waiting(hooked: tuple[Api, Endpoint]) -> None:
    api, made = hooked
    made.answers.clear()
    api.post("/v1/customers")
    _until(lambda: len(made.bodies) == 1)
    assert _waiting(api) == 1
    made.answers.set()
    _until(lambda: _waiting(api) == 0)


def test_duplicates_and_disorder(hooked: tuple[Api, Endpoint]) -> None:
    api, made = hooked
    api.control("PUT", "/webhooks/mischief", hold=True, copies=1)
    for name in ("a", "b", "c"):
        api.post("/v1/customers", name=name)
    ids = [event["id"] for event in api.get("/v1/events")["data"]]
    assert made.bodies == []
    assert api.control("POST", "/webhooks/release", order="reversed") == {"released": 6}
    _until(lambda: len(made.bodies) == 6)
    assert made.ids() == [key for key in ids for _ in range(2)]


def test_lost_ones_can_be_sent_again(hooked: tuple[Api, Endpoint]) -> None:
    api, made = hooked
    api.control("PUT", "/webhooks/mischief", lose=1)
    api.post("/v1/customers")
    (event,) = api.get("/v1/events")["data"]
    assert api.control("GET", "/webhooks")["records"][0]["outcome"] == "lost"
    api.control("POST", f"/events/{event['id']}/resend")
    _until(lambda: made.ids() == [event["id"]])
