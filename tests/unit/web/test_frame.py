"""What holds for every page: headers, forms from elsewhere, errors, static files, and no inline script."""

import re
from pathlib import Path

import httpx
import pytest

from auth.routes.signups import NewSignup
from support import web_samples as samples
from support.web_site import KEY, Browser, Script, hidden_fields, site
from web.cookies import CookieBox
from web.forms import in_words
from web.money import money
from web.rendering import STATIC

TEMPLATES = STATIC.parent / "templates"
PAGES = ["/", "/login", "/forgot-password", "/set-password", "/nothing"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_guarded(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_comes_from_elsewhere(browser: Browser, path: str) -> None:
    page = (await browser.get(path)).text
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith(("/", "#")), address


def test_no_template_has_inline_script_or_style() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*src=)", text), path
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:", text), path


def test_every_form_that_posts_carries_a_token() -> None:
    for path in TEMPLATES.rglob("*.html"):
        for form in re.findall(
            r"<form[^>]*method=\"post\".*?</form>", path.read_text(encoding="utf-8"), re.S
        ):
            assert "guard(form_token)" in form or 'name="form_token"' in form, path


async def test_every_field_has_a_label(gateway: Script, browser: Browser) -> None:
    for path in ["/", "/login", "/forgot-password", "/set-password"]:
        page = (await browser.get(path)).text
        labelled = set(re.findall(r'<label for="([^"]+)"', page))
        for field in re.findall(r"<(?:input|select|textarea)[^>]*>", page):
            if 'type="hidden"' not in field:
                match = re.search(r'id="([^"]+)"', field)
                assert match, field
                assert match[1] in labelled, field


@pytest.mark.parametrize(
    "path",
    ["/login", "/signup", "/set-password", "/b/riverside/hold", "/b/riverside/appointments"],
)
async def test_a_form_without_our_token_is_refused(gateway: Script, browser: Browser, path: str) -> None:
    await browser.get("/login")
    for data in ({}, {"form_token": "forged"}, {"form_token": ""}, {"form_token": "é"}):
        answer = await browser.post(path, data=data)
        assert answer.status_code == 403
        assert "This form has expired" in answer.text
    assert gateway.calls == []


async def test_who_keeps_no_cookies_reads_that_forms_need_them(browser: Browser) -> None:
    page = (await browser.get("/login")).text
    token = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    words = "your browser keeps no cookies for this site"
    assert words not in (await browser.post("/login", data={"form_token": "forged"})).text
    browser.cookies.clear()
    answer = await browser.post("/login", data={"form_token": token})
    assert answer.status_code == 403
    assert words in answer.text


async def test_a_token_of_another_browser_is_refused(gateway: Script, browser: Browser) -> None:
    page = (await browser.get("/login")).text
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token
    browser.cookies.clear()
    await browser.get("/login")
    answer = await browser.post("/login", data={"form_token": token[1], "email": "a@b.c", "password": "x"})
    assert answer.status_code == 403


async def test_a_form_that_another_site_sends_is_refused(gateway: Script, browser: Browser) -> None:
    page = (await browser.get("/login")).text
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token
    for origin in ("cross-site", "same-site"):
        answer = await browser.post(
            "/login", data={"form_token": token[1]}, headers={"sec-fetch-site": origin}
        )
        assert answer.status_code == 403


async def test_a_gateway_that_is_gone_gets_a_page() -> None:
    app, service = site("http://127.0.0.1:1")
    await service.gateway.open()
    async with Browser(transport=httpx.ASGITransport(app=app), base_url="http://slotwright.test") as browser:
        answer = await browser.get("/b/riverside")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "We will be right back" in answer.text
        assert (await browser.get("/login")).status_code == 200, "pages that need no API are there"
        assert (await browser.get("/healthz")).status_code == 200
    await service.gateway.close()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (
            "public",
            "At the moment more people look at this business&#39;s pages than it can serve. Wait 42 s,",
        ),
        (
            "visitor",
            "too much was asked from your internet connection, which others may use as well. Wait 42 s,",
        ),
        (
            "business",
            "The plan Pro allows Riverside 60 requests a minute, and 60 were made. Try again in 42 s.",
        ),
    ],
)
async def test_who_is_refused_for_a_limit_reads_whose_it_is_and_for_how_long(
    gateway: Script, browser: Browser, policy: str, words: str
) -> None:
    detail = "The plan Pro allows Riverside 60 requests a minute, and 60 were made. Try again in 42 s."
    problem = {"title": "Too many requests", "detail": detail, "policy": policy}
    gateway.on("GET /v1/public/riverside", problem, 429)
    gateway.headers["GET /v1/public/riverside"] = {"Retry-After": "42"}
    answer = await browser.get("/b/riverside")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "42"
    assert words in answer.text


async def test_what_nobody_expected_gets_a_page_with_its_id(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/public/riverside", {"unexpected": "shape"})
    answer = await browser.get("/b/riverside", headers={"x-request-id": "test-request-1"})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "It is our fault, not yours." in answer.text
    assert "test-request-1" in answer.text
    assert "unexpected" not in answer.text
    assert "content-security-policy" in answer.headers


async def test_what_is_too_large_gets_a_page(browser: Browser) -> None:
    for size in (2**18, 2**21):
        answer = await browser.post("/login", data={"email": "x" * size})
        assert answer.status_code == 413
        assert answer.headers["content-type"].startswith("text/html")
        assert "This is too much" in answer.text
    assert (await browser.submit("/login", "/login", {"email": "x" * 2**17})).status_code == 422, (
        "it was read"
    )


async def test_a_form_of_nothing_is_not_taken_apart(browser: Browser) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for page in ("/login", "/dashboard/holidays/import"):
        answer = await browser.post(page, content=b"&" * (2**20 - 1), headers=kind)
        assert answer.status_code == 413


async def test_static_files_are_kept_for_good_only_under_their_digest(browser: Browser) -> None:
    page = (await browser.get("/")).text
    address = re.search(r'href="(/static/style\.css\?v=[0-9a-f]+)"', page)
    assert address
    answer = await browser.get(address[1])
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert (await browser.get("/static/style.css")).headers["cache-control"] == "no-cache"
    assert (await browser.get("/static/style.css?v=0")).headers["cache-control"] == "no-cache"
    assert (await browser.get("/static/../settings.py")).status_code == 404


async def test_a_request_id_and_the_visitors_own_cookies_stay_apart(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/public/riverside", samples.business())
    await browser.get("/b/riverside", headers={"x-request-id": "test-request-2"})
    (call,) = gateway.calls
    assert call.headers["x-request-id"] == "test-request-2"
    assert "cookie" not in call.headers
    assert "authorization" not in call.headers


async def test_signing_up_makes_an_address_of_the_name(gateway: Script, browser: Browser) -> None:
    signup = "00000000-0000-0000-0000-000000000042"
    gateway.on("POST /v1/signups", samples.signup(signup), 202)
    gateway.on(f"GET /v1/signups/{signup}", samples.signup(signup))
    fields = {"business_name": "Café Olé & Co.", "name": "Ada", "email": "ada@example.com", "slug": ""}
    answer = await browser.submit("/", "/signup", fields)
    assert answer.headers["location"] == f"/signup/{signup}"
    asked = gateway.asked("POST /v1/signups")[0]
    assert asked.body["slug"] == "cafe-ole-co"
    assert asked.headers["idempotency-key"]
    NewSignup.model_validate(asked.body)
    assert "Setting things up" in (await browser.get(f"/signup/{signup}")).text
    gateway.on(f"GET /v1/signups/{signup}", samples.signup(signup, status="provisioned"))
    assert "Your page is open" in (await browser.get(f"/signup/{signup}")).text
    gateway.on(f"GET /v1/signups/{signup}", samples.signup(signup, status="failed"))
    assert "This did not work" in (await browser.get(f"/signup/{signup}")).text


async def test_who_has_a_name_in_other_letters_is_asked_for_an_address(
    gateway: Script, browser: Browser
) -> None:
    fields = {"business_name": "理发店", "name": "Li", "email": "li@example.com", "slug": ""}
    answer = await browser.submit("/", "/signup", fields)
    assert answer.status_code == 422
    assert 'id="slug-fault">None can be made of this name.' in answer.text
    assert gateway.calls == []


async def test_a_name_that_is_taken_is_said_at_its_field(gateway: Script, browser: Browser) -> None:
    gateway.refuse("POST /v1/signups", 409, "conflict", "The name is taken.", slug="is taken")
    fields = {"business_name": "Riverside", "name": "Ada", "email": "ada@example.com"}
    answer = await browser.submit("/", "/signup", fields)
    assert answer.status_code == 409
    assert 'id="slug-fault">This is taken.' in answer.text


async def test_the_sign_up_keeps_its_key_until_it_has_signed_up_another_business(
    gateway: Script, browser: Browser
) -> None:
    fields = hidden_fields((await browser.get("/")).text, "/signup")
    typed = {"business_name": "Riverside", "name": "Ada", "email": "ada@example.com"}
    missing = await browser.post("/signup", data=fields | typed | {"name": ""})
    assert hidden_fields(missing.text, "/signup")["key"] == fields["key"]
    words = "This Idempotency-Key was used for a request with another body; take a new key."
    gateway.refuse("POST /v1/signups", 422, "idempotency-key-reused", words)
    reused = await browser.post("/signup", data=fields | typed)
    assert "This form has signed up another business before" in reused.text
    assert "Idempotency-Key" not in reused.text
    assert hidden_fields(reused.text, "/signup")["key"] != fields["key"]


async def test_limits_count_the_visitor_and_not_web(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/public/riverside", samples.business())
    await browser.get("/b/riverside", headers={"x-forwarded-for": "203.0.113.9"})
    await browser.get("/b/riverside")
    first, second = gateway.calls
    assert first.headers["x-forwarded-for"] == "203.0.113.9"
    assert "x-forwarded-for" not in second.headers


def test_a_sealed_value_opens_with_its_key_only() -> None:
    sealed = CookieBox(KEY).seal("session", {"a": 1})
    assert CookieBox(KEY).unseal("session", sealed) == {"a": 1}
    assert CookieBox(KEY + "!").unseal("session", sealed) is None
    assert CookieBox(KEY).unseal("session", sealed[:-4] + "AAAA") is None
    with pytest.raises(ValueError, match="32"):
        CookieBox("short")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"amount": 2500, "currency": "EUR"}, "€25.00"),
        ({"amount": 123456789, "currency": "USD"}, "$1,234,567.89"),
        ({"amount": 3000, "currency": "JPY"}, "3,000 JPY"),
        ({"amount": 25500, "currency": "KWD"}, "25.500 KWD"),
        ({"amount": 38000000, "currency": "UGX"}, "380,000.00 UGX"),
        ({"amount": -500, "currency": "CHF"}, "−5.00 CHF"),
        (None, ""),
    ],
)
def test_amounts_are_read_in_their_currency(value: dict[str, object] | None, words: str) -> None:
    assert money(value) == words


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("Value error, must be an e-mail address", "This must be an e-mail address."),
        ("Field required", "This is needed."),
        ("Input should be less than or equal to 1440", "This must be at most 1440."),
        ("The slug is taken.", "The slug is taken."),
        ("", "This is not right."),
    ],
)
def test_validators_words_become_sentences(detail: str, words: str) -> None:
    assert in_words(detail) == words


def test_vendored_files_say_whose_they_are() -> None:
    assert (Path(STATIC) / "htmx.LICENSE.txt").exists()
