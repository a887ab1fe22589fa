"""Signing in, what the browser gets of it, and refreshing: once, however many requests race."""

import asyncio
import time
from dataclasses import asdict
from html import unescape

import httpx
import pytest

from support import web_samples as samples
from support.web_site import KEY, Browser, Call, Script, hidden_fields, site
from web.cookies import CookieBox
from web.sessions import COOKIE, session_from

LOGIN = {"email": "ada@riverside.example", "password": "  correct horse  "}
REFRESH = "POST /v1/sessions/refresh"


def a_day(gateway: Script) -> None:
    gateway.on("POST /v1/sessions", samples.tokens())
    gateway.on("GET /v1/business", samples.profile())
    gateway.on("GET /v1/services", samples.page(samples.service()))
    gateway.on("GET /v1/staff", samples.page(samples.member()))
    gateway.on("GET /v1/appointments", samples.page())


def give_session(browser: Browser, **changes: object) -> None:
    session = asdict(session_from(samples.tokens())) | changes
    browser.cookies.set(COOKIE, CookieBox(KEY).seal("session", session), domain="slotwright.test")


async def test_signing_in_leads_to_the_dashboard(gateway: Script, browser: Browser) -> None:
    a_day(gateway)
    answer = await browser.submit("/login", "/login", LOGIN)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/dashboard"
    assert gateway.asked("POST /v1/sessions")[0].body == LOGIN, "a password is sent as it was typed"
    assert (await browser.get("/dashboard")).status_code == 200
    assert gateway.asked("GET /v1/business")[0].headers["authorization"] == "Bearer access-1"


async def test_the_cookie_shows_no_token_and_no_script_reads_it(gateway: Script, browser: Browser) -> None:
    a_day(gateway)
    answer = await browser.submit("/login", "/login", LOGIN)
    cookie = next(item for item in answer.headers.get_list("set-cookie") if item.startswith(COOKIE))
    assert "access-1" not in cookie
    assert "refresh-1" not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie


async def test_cookies_are_kept_to_tls_where_there_is_tls(gateway: Script) -> None:
    a_day(gateway)
    app, service = site(gateway.url, public_url="https://slotwright.test")
    await service.gateway.open()
    async with Browser(transport=httpx.ASGITransport(app=app), base_url="https://slotwright.test") as browser:
        answers = [
            await browser.get("/login"),
            await browser.submit("/login", "/login", LOGIN),
            await browser.submit("/dashboard", "/logout"),
            await browser.get("/"),
        ]
    await service.gateway.close()
    given = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    assert {cookie.partition("=")[0] for cookie in given} == {COOKIE, "slotwright_form", "slotwright_notice"}
    for cookie in given:
        assert "Secure" in cookie


async def test_wrong_passwords_are_told_without_telling_which(gateway: Script, browser: Browser) -> None:
    gateway.refuse("POST /v1/sessions", 401, "unauthorized", "No such user.")
    answer = await browser.submit("/login", "/login", LOGIN)
    assert answer.status_code == 422
    assert "The e-mail or the password is not right." in answer.text
    assert "horse" not in answer.text, "a password is never sent back"


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("too-many-attempts", "There were too many attempts. Try again in 15 minutes."),
        ("too-many-requests", "There were too many tries. Wait a minute, then try again."),
    ],
)
async def test_who_tried_too_often_reads_how_long_to_wait(
    gateway: Script, browser: Browser, slug: str, words: str
) -> None:
    gateway.refuse("POST /v1/sessions", 429, slug, "There were too many attempts. Try again in 15 minutes.")
    answer = await browser.submit("/login", "/login", LOGIN)
    assert answer.status_code == 422
    assert words in answer.text


async def test_after_signing_in_one_comes_back_to_ones_page_only_if_it_is_ours(
    gateway: Script, browser: Browser
) -> None:
    a_day(gateway)
    answer = await browser.submit("/login?next=/dashboard/staff", "/login", LOGIN)
    assert answer.headers["location"] == "/dashboard/staff"
    browser.cookies.clear()
    answer = await browser.submit("/login?next=//evil.example", "/login", LOGIN | {"next": "//evil.example"})
    assert answer.headers["location"] == "/dashboard"


async def test_without_a_session_the_dashboard_asks_to_sign_in(gateway: Script, browser: Browser) -> None:
    answer = await browser.get("/dashboard/staff")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/dashboard/staff"


async def test_after_signing_in_a_page_is_as_it_was(gateway: Script, browser: Browser) -> None:
    a_day(gateway)
    page = "/dashboard/appointments?date=2030-03-31&status=confirmed"
    asked = await browser.get(page)
    login = asked.headers["location"]
    assert login == "/login?next=/dashboard/appointments%3Fdate%3D2030-03-31%26status%3Dconfirmed"
    fields = hidden_fields((await browser.get(login)).text, "/login")
    answer = await browser.post("/login", data=fields | LOGIN | {"next": unescape(fields["next"])})
    assert answer.headers["location"] == page
    assert (await browser.get(login)).headers["location"] == page, "signed in already, in another tab"
    assert (await browser.get("/login?next=//evil.example")).headers["location"] == "/dashboard"


async def test_who_was_signed_out_before_a_form_was_sent_reads_that_it_is_not_saved(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/reminder-policy", samples.policy())
    gateway.refuse(REFRESH, 401, "unauthorized", "It has ended.")
    give_session(browser)
    page = "/dashboard/reminders"
    fields = hidden_fields((await browser.get(page)).text, page)
    gateway.refuse("PUT /v1/reminder-policy", 401, "unauthorized", "It has ended.")
    for referer, login in (
        (f"http://slotwright.test{page}", f"/login?next={page}"),
        ("https://evil.example/elsewhere", "/login"),
        ("http://[", "/login"),
        ("", "/login"),
    ):
        give_session(browser)
        answer = await browser.post(page, data=fields, headers={"referer": referer})
        assert answer.headers["location"] == login
        assert "so this was not saved" in (await browser.get(login)).text
    browser.cookies.clear()
    asked = await browser.get(page)
    assert "not saved" not in (await browser.get(asked.headers["location"])).text


async def test_what_was_typed_by_who_was_signed_out_meanwhile_stands_beside_the_way_to_sign_in(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/resources", samples.page())
    gateway.refuse(REFRESH, 401, "unauthorized", "It has ended.")
    gateway.refuse("POST /v1/resources", 401, "unauthorized", "It has ended.")
    give_session(browser)
    page = "/dashboard/rooms"
    fields = hidden_fields((await browser.get(page)).text, page) | {"name": "The <big> room", "capacity": "1"}
    answer = await browser.post(page, data=fields, headers={"referer": f"http://slotwright.test{page}"})
    assert answer.status_code == 403
    assert "so this was not saved" in answer.text
    assert f'href="/login?next={page}" target="_blank"' in answer.text
    assert "readonly>The &lt;big&gt; room</textarea>" in answer.text
    assert "Sign out" not in answer.text
    assert answer.text.count("<textarea") == 1, "nothing that was not typed in words"
    assert any(item.startswith(f'{COOKIE}=""') for item in answer.headers.get_list("set-cookie"))


@pytest.mark.parametrize(("site", "shown"), [("same-origin", True), ("none", False), ("", False)])
async def test_of_a_form_without_a_session_the_text_is_shown_where_a_page_of_ours_has_sent_it(
    browser: Browser, site: str, *, shown: bool
) -> None:
    """As after a sign-out in another tab. Any other's may be what somebody would have read on a page of ours."""
    await browser.get("/login")
    fields = {"form_token": "of another session", "name": "Please call 555 0100"}
    answer = await browser.post(
        "/dashboard/rooms", data=fields, headers={"sec-fetch-site": site} if site else {}
    )
    assert answer.status_code == (403 if shown else 303)
    assert ("555" in answer.text) is shown


async def test_pages_that_a_browser_opens_at_once_all_have_forms_that_hold(
    gateway: Script, browser: Browser
) -> None:
    """As after a restart, which ends the cookie of forms and not that of the session."""
    gateway.on("GET /v1/reminder-policy", samples.policy())
    gateway.on("PUT /v1/reminder-policy", samples.policy())
    give_session(browser)
    kept = {"cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    page = "/dashboard/reminders"
    tabs = [await browser.get(page, headers=kept) for _ in range(3)]
    for tab in tabs:
        assert (await browser.post(page, data=hidden_fields(tab.text, page))).status_code == 303


@pytest.mark.parametrize("value", ["", "x", "AAAA", "é"])
async def test_a_forged_cookie_is_no_session(browser: Browser, value: str) -> None:
    answer = await browser.get("/dashboard", headers=[(b"cookie", f"{COOKIE}={value}".encode())])
    assert answer.status_code == 303


async def test_a_value_sealed_for_something_else_is_no_session(browser: Browser) -> None:
    sealed = CookieBox(KEY).seal("notice", asdict(session_from(samples.tokens())))
    browser.cookies.set(COOKIE, sealed, domain="slotwright.test")
    assert (await browser.get("/dashboard")).status_code == 303


async def test_an_old_access_token_is_refreshed_and_kept(gateway: Script, browser: Browser) -> None:
    a_day(gateway)
    gateway.on(REFRESH, samples.tokens(access_token="access-2", refresh_token="refresh-2"))
    give_session(browser, expires_at=time.time() - 1)
    assert (await browser.get("/dashboard")).status_code == 200
    assert gateway.asked(REFRESH)[0].body == {"refresh_token": "refresh-1"}
    assert {call.headers["authorization"] for call in gateway.asked("GET /v1/staff")} == {"Bearer access-2"}
    assert (await browser.get("/dashboard")).status_code == 200
    assert len(gateway.asked(REFRESH)) == 1


async def test_requests_that_race_refresh_once(gateway: Script, browser: Browser) -> None:
    a_day(gateway)
    gateway.on(REFRESH, samples.tokens(access_token="access-2", refresh_token="refresh-2"))
    give_session(browser, expires_at=time.time() - 1)
    cookies = dict(browser.cookies)
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    browser.cookies.clear()
    answers = await asyncio.gather(*(browser.get("/dashboard", headers={"cookie": header}) for _ in range(8)))
    late = await browser.get("/dashboard", headers={"cookie": header})
    assert {answer.status_code for answer in [*answers, late]} == {200}
    assert len(gateway.asked(REFRESH)) == 1, "a refresh token used twice would end the session"


async def test_a_token_refused_early_is_refreshed_too(gateway: Script, browser: Browser) -> None:
    a_day(gateway)

    def business(call: Call) -> tuple[int, object]:
        fresh = call.headers["authorization"] == "Bearer access-2"
        return (200, samples.profile()) if fresh else (401, {"title": "Sign in", "status": 401})

    gateway.on("GET /v1/business", business)
    gateway.on(REFRESH, samples.tokens(access_token="access-2", refresh_token="refresh-2"))
    give_session(browser)
    assert (await browser.get("/dashboard")).status_code == 200
    assert len(gateway.asked(REFRESH)) == 1


async def test_a_new_token_that_is_refused_too_does_not_sign_out(gateway: Script, browser: Browser) -> None:
    """auth has just said that the session goes on: who refuses its token does not know the key yet."""
    a_day(gateway)
    gateway.refuse("GET /v1/business", 401, "unauthorized", "The token's key is not in use any more.")
    gateway.on(REFRESH, samples.tokens(access_token="access-2", refresh_token="refresh-2"))
    give_session(browser)
    answer = await browser.get("/dashboard")
    assert answer.status_code == 503
    assert "We will be right back" in answer.text
    kept = next(item for item in answer.headers.get_list("set-cookie") if item.startswith(COOKIE))
    assert not kept.startswith(f'{COOKIE}=""'), "the refreshed session is kept"


async def test_a_session_that_has_ended_leads_to_signing_in(gateway: Script, browser: Browser) -> None:
    gateway.refuse(REFRESH, 401, "unauthorized", "Used twice.")
    give_session(browser, expires_at=time.time() - 1)
    answer = await browser.get("/dashboard/services")
    assert answer.headers["location"] == "/login?next=/dashboard/services"
    assert any(item.startswith(f'{COOKIE}=""') for item in answer.headers.get_list("set-cookie"))


async def test_a_gateway_that_is_down_does_not_sign_out(gateway: Script, browser: Browser) -> None:
    gateway.refuse(REFRESH, 503, "unavailable", "auth is not there.")
    give_session(browser, expires_at=time.time() - 1)
    answer = await browser.get("/dashboard")
    assert answer.status_code == 503
    assert "We will be right back" in answer.text
    assert not any(item.startswith(COOKIE) for item in answer.headers.get_list("set-cookie"))


async def test_signing_out_ends_the_session_at_auth(gateway: Script, browser: Browser) -> None:
    a_day(gateway)
    gateway.on(f"DELETE /v1/sessions/{samples.SESSION}", None, 204)
    give_session(browser)
    answer = await browser.submit("/dashboard", "/logout")
    assert answer.status_code == 303
    assert len(gateway.asked(f"DELETE /v1/sessions/{samples.SESSION}")) == 1
    assert (await browser.get("/dashboard")).status_code == 303


async def test_one_signs_out_of_a_browser_while_auth_is_down(gateway: Script, browser: Browser) -> None:
    a_day(gateway)
    give_session(browser)
    gateway.refuse(f"DELETE /v1/sessions/{samples.SESSION}", 503, "unavailable", "auth is not there.")
    answer = await browser.submit("/dashboard", "/logout")
    assert answer.status_code == 303
    assert len(gateway.asked(f"DELETE /v1/sessions/{samples.SESSION}")) == 1
    assert (await browser.get("/dashboard")).headers["location"] == "/login?next=/dashboard"


async def test_a_password_is_set_with_the_links_token(gateway: Script, browser: Browser) -> None:
    gateway.on("POST /v1/passwords/reset", None, 204)
    fields = {"token": "t0ken", "password": "a long sentence", "password_again": "a long sentence"}
    answer = await browser.submit("/set-password", "/set-password", fields)
    assert answer.headers["location"] == "/login"
    assert gateway.asked("POST /v1/passwords/reset")[0].body == {
        "token": "t0ken",
        "password": "a long sentence",
    }


async def test_after_setting_a_password_one_signs_in_whoever_was_signed_in_before(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("POST /v1/passwords/reset", None, 204)
    gateway.on(f"DELETE /v1/sessions/{samples.SESSION}", None, 204)
    give_session(browser)
    fields = {"token": "t0ken", "password": "a long sentence", "password_again": "a long sentence"}
    await browser.submit("/set-password", "/set-password", fields)
    assert len(gateway.asked(f"DELETE /v1/sessions/{samples.SESSION}")) == 1
    page = await browser.get("/login")
    assert page.status_code == 200
    assert "Your password is set. Sign in with it." in page.text


async def test_a_password_that_is_refused_signs_nobody_out(gateway: Script, browser: Browser) -> None:
    gateway.refuse("POST /v1/passwords/reset", 422, "link-invalid", "This link is not valid any more.")
    give_session(browser)
    fields = {"token": "t0ken", "password": "a long sentence", "password_again": "a long sentence"}
    await browser.submit("/set-password", "/set-password", fields)
    assert (await browser.get("/login")).headers["location"] == "/dashboard"


async def test_two_passwords_that_differ_are_not_sent(gateway: Script, browser: Browser) -> None:
    fields = {"token": "t0ken", "password": "a long sentence", "password_again": "another"}
    answer = await browser.submit("/set-password", "/set-password", fields)
    assert answer.status_code == 422
    assert "not the same" in answer.text
    assert gateway.calls == []


async def test_a_weak_password_is_explained_at_its_field(gateway: Script, browser: Browser) -> None:
    gateway.refuse(
        "POST /v1/passwords/reset",
        422,
        "invalid",
        "…",
        password="String should have at least 10 characters",
    )
    fields = {"token": "t0ken", "password": "short", "password_again": "short"}
    answer = await browser.submit("/set-password", "/set-password", fields)
    assert 'id="password-fault">This must have at least 10 characters.' in answer.text


async def test_who_has_signed_out_in_another_tab_signs_in_and_comes_back_to_the_form(
    signed_in: None, gateway: Script, browser: Browser
) -> None:
    page = "/dashboard/reminders"
    fields = hidden_fields((await browser.get(page)).text, page)
    browser.cookies.delete(COOKIE)
    headers = {"referer": f"http://slotwright.test{page}"}
    answer = await browser.post(page, data=fields, headers=headers)
    assert answer.headers["location"] == f"/login?next={page}"
    assert "so this was not saved" in (await browser.get("/login")).text
    assert gateway.asked("PUT /v1/reminder-policy") == []


async def test_who_signs_out_in_two_tabs_is_signed_out(
    signed_in: None, gateway: Script, browser: Browser
) -> None:
    gateway.on(f"DELETE /v1/sessions/{samples.SESSION}", None, 204)
    fields = hidden_fields((await browser.get("/dashboard")).text, "/logout")
    forged = await browser.post("/logout", data={"form_token": "forged"})
    assert forged.status_code == 403
    for _tab in range(2):
        answer = await browser.post("/logout", data=fields)
        assert answer.headers["location"] == "/"
        assert "You are signed out." in (await browser.get("/")).text
    assert len(gateway.asked(f"DELETE /v1/sessions/{samples.SESSION}")) == 1
    browser.cookies.clear()  # as another site's form comes without any
    assert (await browser.post("/logout", data=fields)).status_code == 403
