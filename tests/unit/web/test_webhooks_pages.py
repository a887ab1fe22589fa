"""The dashboard's pages of webhooks: what is asked of the API, and where a secret stands."""

import datetime as dt
import re

import httpx
import pytest

from notification.webhooks.domain import TEST, DeliveryStatus, EventType
from support import web_samples as samples
from support import web_samples_webhooks as hooks
from support.web_site import Browser, Script, hidden_fields
from web.dashboard.webhooks import EVENTS, STATUSES, TOLD

pytestmark = pytest.mark.usefixtures("signed_in", "webhooks")
LIST = "/dashboard/webhooks"
NEW = f"{LIST}/new"
ONE = f"{LIST}/{hooks.ENDPOINT}"
LOG = f"{ONE}/deliveries"
SENT = f"{LOG}/{hooks.DELIVERY}"
API = "/v1/webhook-endpoints"
API_ONE = f"{API}/{hooks.ENDPOINT}"
API_LOG = f"{API_ONE}/deliveries"
API_SENT = f"{API_LOG}/{hooks.DELIVERY}"
TYPED = {"url": "https://crm.example/hooks", "events": ["appointment.booked", "message.failed"]}


@pytest.fixture
def webhooks(gateway: Script) -> None:
    """The business has one, and something was sent there."""
    gateway.on(f"GET {API}", samples.page(hooks.endpoint()))
    gateway.on(f"GET {API_ONE}", hooks.endpoint())
    gateway.on(f"GET {API_LOG}", samples.page(hooks.delivery()))
    gateway.on(f"GET {API_SENT}", hooks.delivery_detail())


def checked(page: str) -> set[str]:
    return set(re.findall(r'name="events" value="([^"]+)" checked', page))


def status_of(page: str, name: str) -> bool:
    return f'<span class="status {name}">' in page


def secret_stays_in_the_page(answer: httpx.Response) -> None:
    assert hooks.SECRET in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers, "no notice, and nothing else that could hold it"


def test_the_pages_know_what_the_api_knows() -> None:
    assert list(EVENTS) == [item.value for item in EventType]
    assert set(TOLD) - set(EVENTS) == {TEST}
    assert set(STATUSES) == {item.value for item in DeliveryStatus}


@pytest.mark.parametrize(
    ("found", "name", "words"),
    [
        (hooks.endpoint(), "on", ""),
        (hooks.endpoint(failing_since=hooks.NOON), "failing", "has arrived since .*Mon 1 Jul, 13:00"),
        (hooks.off("gone"), "off", "since Monday, 1 July 2030, as your server answered .* \\(410\\)"),
        (hooks.off("failing", failing_since=hooks.NOON), "off", "as nothing had arrived for five days"),
        (hooks.off("owner"), "", "turned off by an owner"),
    ],
)
async def test_a_webhook_says_how_it_stands(
    gateway: Script, browser: Browser, found: dict[str, object], name: str, words: str
) -> None:
    gateway.on(f"GET {API}", samples.page(found))
    gateway.on(f"GET {API_ONE}", found)
    for page in (LIST, ONE):
        shown = (await browser.get(page)).text
        assert {each for each in ("on", "failing", "off") if status_of(shown, each)} == ({name} - {""})
        assert re.search(words, shown, re.DOTALL)
        assert "Our &lt;CRM&gt;" in shown
        assert "https://crm.example/hooks?token=a&amp;b" in shown
    assert (f'action="{ONE}/test"' in shown) is found["enabled"]
    assert (f'action="{ONE}/on"' in shown) is not found["enabled"]
    assert (f'action="{ONE}/off"' in shown) is found["enabled"]


async def test_a_secret_that_is_being_replaced_is_told_with_its_end(
    gateway: Script, browser: Browser
) -> None:
    found = hooks.endpoint(old_secret_until=hooks.NOON + dt.timedelta(days=1))
    gateway.on(f"GET {API}", samples.page(found))
    gateway.on(f"GET {API_ONE}", found)
    until = "Tue 2 Jul, 13:00</time>"
    assert re.search(f"the old one holds, too, until .*{until}", (await browser.get(LIST)).text)
    assert re.search(f"the old one holds beside it until .*{until}", (await browser.get(ONE)).text)
    gateway.on(f"GET {API}", samples.page(hooks.endpoint()))
    gateway.on(f"GET {API_ONE}", hooks.endpoint())
    for page in (LIST, ONE):
        assert "the old one holds" not in (await browser.get(page)).text


async def test_a_business_without_webhooks_is_led_to_the_first(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API}", samples.page())
    assert f'No webhooks yet. <a href="{NEW}">' in (await browser.get(LIST)).text


async def test_one_without_a_description_goes_by_its_host(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API}", samples.page(hooks.endpoint(description="", events=["*"])))
    page = (await browser.get(LIST)).text
    assert ">crm.example</strong>" in page
    assert "told of everything" in page


async def test_one_is_added_and_its_secret_stands_in_the_answer_alone(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(f"POST {API}", hooks.with_secret(), 201)
    page = (await browser.get(NEW)).text
    assert checked(page) == set(), "nobody is told of more than was wanted"
    fields = hidden_fields(page, NEW)
    answer = await browser.post(NEW, data=fields | TYPED | {"description": " CRM "})
    secret_stays_in_the_page(answer)
    assert "shown this once and never again" in answer.text
    (asked,) = gateway.asked(f"POST {API}")
    assert asked.body == TYPED | {"description": "CRM"}
    assert asked.headers["idempotency-key"] == fields["key"]
    assert gateway.calls[-1] is asked, "whatever fails after it would lose the secret"
    for page in (LIST, ONE):
        assert hooks.SECRET not in (await browser.get(page)).text


async def test_sent_twice_it_is_one_whose_secret_is_not_shown_again(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(f"POST {API}", hooks.with_secret(None), 201)
    answer = await browser.submit(NEW, NEW, TYPED)
    assert "This was done already" in answer.text
    assert f'href="{ONE}"' in answer.text
    assert "None" not in answer.text


async def test_everything_is_asked_for_alone(gateway: Script, browser: Browser) -> None:
    gateway.on(f"POST {API}", hooks.with_secret(), 201)
    answer = await browser.submit(NEW, NEW, TYPED | {"events": ["*", "appointment.booked"]})
    assert 'id="events-fault">Choose either everything or some of them.' in answer.text
    assert checked(answer.text) == {"*", "appointment.booked"}
    await browser.submit(NEW, NEW, TYPED | {"events": ["*"]})
    assert [call.body["events"] for call in gateway.asked(f"POST {API}")] == [["*"]]


@pytest.mark.parametrize("page", [NEW, ONE])
async def test_what_is_missing_is_said_before_anything_is_asked(
    gateway: Script, browser: Browser, page: str
) -> None:
    answer = await browser.submit(page, page, {"url": "", "description": "Till"})
    assert answer.status_code == 422
    assert 'id="url-fault">This is needed.' in answer.text
    assert 'id="events-fault">Choose at least one.' in answer.text
    assert 'value="Till"' in answer.text
    assert checked(answer.text) == set()
    assert {call.method for call in gateway.calls} <= {"GET"}


@pytest.mark.parametrize(("page", "route"), [(NEW, f"POST {API}"), (ONE, f"PATCH {API_ONE}")])
async def test_an_address_that_is_not_called_is_said_at_its_field(
    gateway: Script, browser: Browser, page: str, route: str
) -> None:
    gateway.refuse(route, 422, "invalid", "…", url="must begin with https://", events__1="must be one of a")
    typed = TYPED | {"url": "http://crm.example/<x>", "description": "Till"}
    answer = await browser.submit(page, page, typed)
    assert answer.status_code == 422
    assert 'id="url-fault">This must begin with https://.' in answer.text
    assert 'id="events-fault">This must be one of a.' in answer.text
    assert 'value="http://crm.example/&lt;x&gt;"' in answer.text
    assert 'value="Till"' in answer.text
    assert checked(answer.text) == set(TYPED["events"])
    if page == NEW:
        keys = [gateway.asked(route)[0].headers["idempotency-key"], hidden_fields(answer.text, NEW)["key"]]
        assert keys[0] == keys[1], "what was refused has left its key free"
    else:
        assert hidden_fields(answer.text, ONE)["version"] == "3"


@pytest.mark.parametrize(
    ("status", "slug", "words"),
    [
        (403, "quota-exceeded", "The plan Starter has no webhooks."),
        (403, "tenant-suspended", "Riverside Barbers is suspended."),
        (409, "webhooks-off", "This platform keeps no webhook endpoints; turn to its team."),
    ],
)
async def test_why_none_can_be_added_is_told(
    gateway: Script, browser: Browser, status: int, slug: str, words: str
) -> None:
    gateway.refuse(f"POST {API}", status, slug, words)
    answer = await browser.submit(NEW, NEW, TYPED)
    assert answer.status_code == status
    assert words in answer.text
    assert 'value="https://crm.example/hooks"' in answer.text


async def test_one_is_changed_with_the_version_read(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API_ONE}", hooks.endpoint(events=["appointment.booked", "invoice.paid"]))
    gateway.on(f"PATCH {API_ONE}", hooks.endpoint(version=4))
    page = (await browser.get(ONE)).text
    assert checked(page) == {"appointment.booked", "invoice.paid"}, "what a later release may know stays"
    answer = await browser.submit(ONE, ONE, TYPED | {"description": "Till"})
    assert answer.headers["location"] == ONE
    (asked,) = gateway.asked(f"PATCH {API_ONE}")
    assert asked.headers["if-match"] == '"v3"'
    assert asked.body == TYPED | {"description": "Till"}


@pytest.mark.parametrize(("state", "enabled"), [("on", True), ("off", False)])
async def test_one_is_turned_on_and_off(gateway: Script, browser: Browser, state: str, enabled: bool) -> None:
    gateway.on(f"GET {API_ONE}", hooks.endpoint() if state == "off" else hooks.off("gone"))
    gateway.on(f"PATCH {API_ONE}", hooks.endpoint(version=4))
    answer = await browser.submit(ONE, f"{ONE}/{state}")
    assert answer.headers["location"] == ONE
    (asked,) = gateway.asked(f"PATCH {API_ONE}")
    assert asked.body == {"enabled": enabled}
    assert asked.headers["if-match"] == '"v3"'
    assert f"The webhook is {state}." in (await browser.get(ONE)).text


async def test_what_somebody_else_changed_is_not_overwritten(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"PATCH {API_ONE}", 412, "precondition-failed", "It was edited.")
    typed = await browser.submit(ONE, ONE, TYPED)
    assert "Somebody changed it while you were typing" in typed.text
    pressed = await browser.submit(ONE, f"{ONE}/off", TYPED)
    assert pressed.headers["location"] == ONE
    assert "Somebody changed it meanwhile" in (await browser.get(ONE)).text


@pytest.mark.parametrize("status", [403, 404, 409, 422])
async def test_a_new_one_that_is_refused_stands_in_its_form(
    gateway: Script, browser: Browser, status: int
) -> None:
    gateway.refuse(f"POST {API}", status, "refused", "It cannot be added now.")
    answer = await browser.submit(NEW, NEW, TYPED)
    assert answer.status_code == status
    assert "It cannot be added now." in answer.text
    assert f'value="{TYPED["url"]}"' in answer.text


async def test_a_secret_is_replaced_and_the_new_one_stands_in_the_answer_alone(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(f"POST {API_ONE}/rotate-secret", hooks.with_secret())
    answer = await browser.submit(ONE, f"{ONE}/secret")
    secret_stays_in_the_page(answer)
    assert "The old secret goes on signing beside it for 24 hours" in answer.text
    asked = gateway.calls[-1]
    assert asked.path == f"{API_ONE}/rotate-secret", "whatever fails after it would lose the secret"
    gateway.on(f"POST {API_ONE}/rotate-secret", hooks.with_secret(secret=None))
    again = await browser.submit(ONE, f"{ONE}/secret")
    assert "The secret was replaced, and the new one was shown then." in again.text
    keys = [call.headers["idempotency-key"] for call in gateway.asked(f"POST {API_ONE}/rotate-secret")]
    assert len(set(keys)) == 2, "each page that is shown has a key of its own"


@pytest.mark.parametrize("action", ["secret", "off", "remove"])
async def test_what_others_depend_on_takes_two_presses(browser: Browser, action: str) -> None:
    page = (await browser.get(ONE)).text
    folded = re.findall(r'<details class="danger">.*?</details>', page, re.DOTALL)
    assert [f'action="{ONE}/{action}"' in part for part in folded].count(True) == 1
    assert page.count(f'action="{ONE}/{action}"') == 1


@pytest.mark.parametrize(
    ("action", "route"),
    [
        ("secret", f"POST {API_ONE}/rotate-secret"),
        ("test", f"POST {API_ONE}/test"),
        ("off", f"PATCH {API_ONE}"),
    ],
)
async def test_what_is_refused_is_told_on_the_webhooks_page(
    gateway: Script, browser: Browser, action: str, route: str
) -> None:
    gateway.refuse(route, 409, "conflict", "5 secrets sign already.")
    answer = await browser.submit(ONE, f"{ONE}/{action}")
    assert answer.headers["location"] == ONE
    assert "5 secrets sign already." in (await browser.get(ONE)).text


async def test_one_is_removed(gateway: Script, browser: Browser) -> None:
    gateway.on(f"DELETE {API_ONE}", None, 204)
    answer = await browser.submit(ONE, f"{ONE}/remove")
    assert answer.headers["location"] == LIST
    assert len(gateway.asked(f"DELETE {API_ONE}")) == 1
    assert "Removed." in (await browser.get(LIST)).text


async def test_a_test_is_sent_once_and_leads_to_what_became_of_it(gateway: Script, browser: Browser) -> None:
    gateway.on(f"POST {API_ONE}/test", hooks.delivery(type="webhook.test", status="queued"), 201)
    fields = hidden_fields((await browser.get(ONE)).text, f"{ONE}/test")
    answer = await browser.post(f"{ONE}/test", data=fields)
    assert answer.headers["location"] == SENT
    assert gateway.asked(f"POST {API_ONE}/test")[0].headers["idempotency-key"] == fields["key"]


async def test_a_webhook_that_was_turned_off_meanwhile_sends_nothing(
    gateway: Script, browser: Browser
) -> None:
    pages = [
        (ONE, f"{ONE}/test", f"POST {API_ONE}/test"),
        (SENT, f"{SENT}/resend", f"POST {API_SENT}/resend"),
    ]
    for page, action, route in pages:
        gateway.on(f"GET {API_ONE}", hooks.endpoint())
        fields = hidden_fields((await browser.get(page)).text, action)
        gateway.on(f"GET {API_ONE}", hooks.off("failing"))
        gateway.refuse(route, 409, "conflict", 'The endpoint is disabled; PATCH it with {"enabled": true}.')
        answer = await browser.post(action, data=fields)
        assert answer.headers["location"] == page
        shown = (await browser.get(page)).text
        assert "This webhook is turned off. Turn it on first." in shown
        assert "PATCH" not in shown


async def test_the_log_is_filtered_and_paged(gateway: Script, browser: Browser) -> None:
    failed = hooks.delivery(
        status="failed", attempts=[hooks.attempt(), hooks.attempt(number=2, http_status=500)]
    )
    gateway.on(f"GET {API_LOG}", samples.page(failed, cursor="next+page"))
    page = await browser.get(f"{LOG}?status=failed&event=webhook.test&cursor=c1")
    (asked,) = gateway.asked(f"GET {API_LOG}")
    assert asked.query == {"limit": "50", "status": "failed", "type": "webhook.test", "cursor": "c1"}
    assert f'href="{LOG}?status=failed&amp;event=webhook.test&amp;cursor=next%2Bpage"' in page.text
    assert '<option value="failed" selected>' in page.text
    assert '<option value="webhook.test" selected>' in page.text
    assert f'href="{SENT}"' in page.text
    assert "Mon 1 Jul, 13:00:00" in page.text, "the business's time"
    assert '<td>Answered 500</td><td class="number">2</td>' in page.text, "the last answer, and how many"
    await browser.get(f"{LOG}?status=eaten&event=x")
    assert gateway.asked(f"GET {API_LOG}")[1].query == {"limit": "50"}


async def test_a_log_without_entries_says_so(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API_LOG}", samples.page())
    assert "Nothing yet." in (await browser.get(LOG)).text
    assert "Nothing matches." in (await browser.get(f"{LOG}?status=failed")).text
    assert "Send a test to see whether it arrives." in (await browser.get(ONE)).text


async def test_a_delivery_tells_each_try_and_what_was_sent(gateway: Script, browser: Browser) -> None:
    tries = [
        hooks.attempt(http_status=500, duration_ms=1250, response="<script>x</script>"),
        hooks.attempt(number=2, http_status=None, duration_ms=15000, error="The endpoint cannot be reached."),
        hooks.attempt(number=3, http_status=None, duration_ms=None, error="Interrupted"),
        hooks.attempt(number=4),
    ]
    gateway.on(f"GET {API_SENT}", hooks.delivery_detail(attempts=tries))
    page = (await browser.get(SENT)).text
    assert status_of(page, "delivered")
    assert re.search(r"Answered 500</div>\s*<pre>&lt;script&gt;x&lt;/script&gt;</pre>", page)
    assert "1250 ms" in page
    assert "The endpoint cannot be reached." in page
    assert "nobody can say whether it reached your server" in page
    assert str(hooks.EVENT) in page
    assert "&#34;note&#34;: &#34;&lt;b&gt;&#34;" in page, "to be read"
    assert "{&#34;type&#34;:&#34;appointment.booked&#34;," in page, "as it was signed"
    assert f'action="{SENT}/resend"' in page
    assert "hx-get" not in page


@pytest.mark.parametrize(
    ("status", "due", "waits"),
    [("sending", None, True), ("queued", 0, True), ("queued", 3600, False), ("failed", None, False)],
)
async def test_a_page_is_loaded_again_while_its_outcome_is_near(
    gateway: Script, browser: Browser, status: str, due: int | None, waits: bool
) -> None:
    at = None if due is None else dt.datetime.now(dt.UTC) + dt.timedelta(seconds=due)
    tried = hooks.attempt(http_status=None, duration_ms=None)
    gateway.on(f"GET {API_SENT}", hooks.delivery_detail(status=status, next_attempt_at=at, attempts=[tried]))
    page = (await browser.get(SENT)).text
    assert ("hx-get" in page) is waits
    assert ('http-equiv="refresh"' in page) is waits
    assert (f'action="{SENT}/resend"' in page) is not waits
    assert ("It is tried again:" in page) is (due == 3600)


async def test_what_failed_with_its_webhook_says_so_and_waits_for_it(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(f"GET {API_ONE}", hooks.off("owner"))
    failed = hooks.delivery_detail(status="failed", reason="EndpointDisabled", attempts=[])
    gateway.on(f"GET {API_SENT}", failed)
    page = (await browser.get(SENT)).text
    assert "The webhook was off." in page
    assert "EndpointDisabled" not in page
    assert "/resend" not in page


async def test_one_is_sent_again_by_hand(gateway: Script, browser: Browser) -> None:
    gateway.on(f"POST {API_SENT}/resend", hooks.delivery(status="queued"), 202)
    answer = await browser.submit(SENT, f"{SENT}/resend")
    assert answer.headers["location"] == SENT
    assert len(gateway.asked(f"POST {API_SENT}/resend")) == 1


@pytest.mark.usefixtures("as_staff")
@pytest.mark.parametrize(
    ("page", "route"), [(LIST, API), (NEW, API), (ONE, API_ONE), (LOG, API_ONE), (SENT, API_ONE)]
)
async def test_staff_have_no_pages_of_webhooks(
    gateway: Script, browser: Browser, page: str, route: str
) -> None:
    gateway.refuse(f"GET {route}", 403, "forbidden", "Your role is staff; this needs owner.")
    answer = await browser.get(page)
    assert answer.status_code == 403
    assert "This is not for you" in answer.text


async def test_who_is_not_signed_in_is_asked_to_before_they_see_any(browser: Browser) -> None:
    browser.cookies.clear()
    for page in (LIST, NEW, ONE, LOG, SENT):
        assert (await browser.get(page)).headers["location"] == f"/login?next={page}"
