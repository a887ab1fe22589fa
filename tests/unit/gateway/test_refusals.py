"""What the gateway refuses by itself: a page where a person asked for one, a problem for everybody else."""

import base64
import hashlib
import re

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from gateway import refusals
from gateway.cors import Cors
from gateway.errors import MalformedRequest, RateLimited, UpstreamDown, UpstreamTimeout
from gateway.frame import Frame
from servicekit.errors import NotFound
from servicekit.health import Health
from servicekit.http.app import create_app
from servicekit.settings import Settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGE = "/b/riverside"


def gateway(error: Exception | None = None) -> httpx.AsyncClient:
    """The gateway's edge before a data path that raises this, or reads the body that comes."""

    async def path(scope: Scope, receive: Receive, send: Send) -> None:
        if error is not None:
            raise error
        while (await receive()).get("more_body"):
            pass

    app: FastAPI = create_app("gateway", Settings(), Health())
    app.router.default = path
    refusals.install(app)
    app.add_middleware(Frame, cors=Cors([]), https=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://slotwright.test")


LIMITED = RateLimited("600 requests a minute.", headers={"Retry-After": "17"}, policy="address")
REFUSALS = [
    (LIMITED, "In the last minute too much was asked from your internet connection"),
    (LIMITED, "Wait 17 s, then try again."),
    (NotFound("There is nothing at this path."), "The address may be mistyped"),
    (UpstreamDown("web"), "We will be right back"),
    (UpstreamTimeout("web", 30), "We will be right back"),
    (MalformedRequest("The path holds <a> backslash."), "The path holds &lt;a&gt; backslash."),
    (RuntimeError("nobody expected it"), "It is our fault, not yours."),
]


@pytest.mark.parametrize(("error", "words"), REFUSALS)
async def test_who_asks_for_a_page_is_refused_with_one(error: Exception, words: str) -> None:
    async with gateway(error) as client:
        answer = await client.get(PAGE, headers=BROWSER)
    assert answer.status_code == getattr(error, "status", 500)
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text
    assert f"Request {answer.headers['x-request-id']}" in answer.text
    assert answer.headers.get("retry-after") == getattr(error, "headers", {}).get("Retry-After")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("error", "_words"), REFUSALS)
@pytest.mark.parametrize(
    ("path", "headers"), [(PAGE, {}), (PAGE, {"Accept": "*/*"}), ("/v1/staff", BROWSER), ("/v1", BROWSER)]
)
async def test_a_program_and_who_asks_the_api_read_a_problem(
    error: Exception, _words: str, path: str, headers: dict[str, str]
) -> None:
    async with gateway(error) as client:
        answer = await client.get(path, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code == getattr(error, "status", 500)
    assert answer.json()["instance"] == path


async def test_a_form_that_is_too_large_gets_a_page() -> None:
    async with gateway() as client:
        answer = await client.post(PAGE, headers=BROWSER, content=b"a" * (1024 * 1024 + 1))
        assert answer.status_code == 413
        assert "This is too much" in answer.text
        assert "Try again" not in answer.text, "it would come back as it was"
        api = await client.post("/v1/staff", headers=BROWSER, content=b"a" * (1024 * 1024 + 1))
        assert api.headers["content-type"] == "application/problem+json"


async def test_the_page_needs_nothing_beside_it() -> None:
    async with gateway(UpstreamDown("web")) as client:
        answer = await client.get(PAGE, headers=BROWSER)
    assert not re.search(r"<script|<link|<img|src=", answer.text)
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
