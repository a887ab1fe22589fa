"""The wording of messages on the dashboard: whose words they are, writing one's own, previewing, going back."""

import re
from typing import get_args

import pytest

from notification.letters import Letters
from notification.wording import VARIABLES, TemplateKind
from support import web_samples as samples
from support import web_samples_messages as told
from support.web_site import Browser, Script, hidden_fields
from web.dashboard.message_words import FALLBACK, LANGUAGES
from web.dashboard.wording import KINDS, PLACEHOLDERS

pytestmark = pytest.mark.usefixtures("signed_in")

WORDING = "/dashboard/messages/wording"
MAIL = f"{WORDING}/booked/email/en"
SMS = f"{WORDING}/reminder/sms/en"
OF_MAIL = "/v1/message-templates/booked/email/en"
OF_SMS = "/v1/message-templates/reminder/sms/en"
OURS = {"subject": "Booked: {{ service }}", "lead": "your appointment is booked."}
OWN = {"version": 3, "own": ["lead"], "lead": "Hi <you>,\nsee you."}


@pytest.fixture(autouse=True)
def _templates(gateway: Script, signed_in: None) -> None:
    for kind in KINDS:
        for language in LANGUAGES:
            gateway.on(f"GET /v1/message-templates/{kind}/email/{language}", told.template(kind=kind))
    for language in LANGUAGES:
        sms = told.template(kind="reminder", channel="sms", subject=None, lead=None, text="{{ when }}")
        gateway.on(f"GET /v1/message-templates/reminder/sms/{language}", sms)
    gateway.on(f"POST {OF_MAIL}/preview", told.preview())
    sms_preview = told.preview(subject=None, html=None, encoding="GSM-7", units=170, segments=2)
    gateway.on(f"POST {OF_SMS}/preview", sms_preview)


def test_the_pages_know_what_notification_writes() -> None:
    assert set(KINDS) == set(get_args(TemplateKind))
    assert set(PLACEHOLDERS) == set(VARIABLES)
    letters = Letters()
    assert set(LANGUAGES) == set(letters.languages)
    assert letters.language("xx") == FALLBACK


async def test_every_message_is_listed_with_whose_words_it_has(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {OF_MAIL}", told.template(**OWN))
    page = (await browser.get(WORDING)).text
    cards = re.findall(
        r'<a class="card" href="([^"]+)"><strong>([^<]+)<.*?<span class="facts"><span>([^<]+)<',
        page,
        re.DOTALL,
    )
    assert len(cards) == len(KINDS) + 1
    assert (SMS, "Reminder, by text message", "the usual words") in cards
    assert (MAIL, "Booking, by e-mail", "your own beginning") in cards


@pytest.mark.parametrize(
    ("locale", "query", "language"),
    [("de-AT", "", "de"), ("fr", "", "en"), ("de", "?language=pt", "pt"), ("pt", "?language=xx", "pt")],
)
async def test_the_language_is_the_businesss_unless_another_is_chosen(
    gateway: Script, browser: Browser, locale: str, query: str, language: str
) -> None:
    gateway.on("GET /v1/business", samples.profile(locale=locale))
    page = (await browser.get(f"{WORDING}{query}")).text
    assert f'href="{WORDING}/booked/email/{language}"' in page
    assert f'?language={language}" aria-current="true"' in page
    asked = {call.path.rsplit("/", 1)[1] for call in gateway.calls if "message-templates" in call.path}
    assert asked == {language}


async def test_a_template_is_shown_with_its_preview(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {OF_MAIL}", told.template(**OWN))
    page = (await browser.get(MAIL)).text
    assert 'value="Booked: {{ service }}"' in page
    assert "Hi &lt;you&gt;,\nsee you.</textarea>" in page
    assert [text[:10] for text in re.findall(r'-hint">([^<]+)</p>', page)] == ["The usual ", "Your own w"]
    assert gateway.asked(f"POST {OF_MAIL}/preview")[0].body == {}
    assert "<strong>Booked: &lt;Haircut&gt;</strong>" in page
    assert '<p class="letter">Hello Ana &amp; co,\n\nhttp://slotwright.test/…</p>' in page
    assert "<code>{{ service }}</code>" in page
    assert "previous_when" not in page, "which is empty but for a message of a move"


async def test_only_what_was_changed_becomes_ones_own(gateway: Script, browser: Browser) -> None:
    gateway.on(f"PUT {OF_MAIL}", told.template(**OWN))
    typed = {"subject": OURS["subject"], "lead": "Hi {{ name }},\r\nsee you."}
    saved = await browser.submit(MAIL, MAIL, typed)
    assert (saved.status_code, saved.headers["location"]) == (303, MAIL)
    (asked,) = gateway.asked(f"PUT {OF_MAIL}")
    assert asked.headers["if-match"] == '"v0"'
    assert asked.body == {"lead": "Hi {{ name }},\nsee you."}


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ({"subject": "Hi", "lead": "see you."}, {"subject": "Hi", "lead": "see you."}),
        ({"subject": "", "lead": OWN["lead"]}, {"lead": OWN["lead"]}),
        ({"subject": "Hi", "lead": ""}, {"subject": "Hi"}),
    ],
)
async def test_what_is_left_empty_is_said_in_the_usual_words(
    gateway: Script, browser: Browser, typed: dict[str, str], sent: dict[str, str]
) -> None:
    gateway.on(f"GET {OF_MAIL}", told.template(**OWN))
    gateway.on(f"PUT {OF_MAIL}", told.template(**OWN))
    await browser.submit(MAIL, MAIL, typed)
    (asked,) = gateway.asked(f"PUT {OF_MAIL}")
    assert asked.headers["if-match"] == '"v3"'
    assert asked.body == sent


async def test_words_that_hold_no_longer_can_be_mended(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {OF_MAIL}", told.template(**OWN))
    gateway.refuse(f"POST {OF_MAIL}/preview", 422, "invalid", "…", lead="line 1: there is no variable x; …")
    page = await browser.get(MAIL)
    assert page.status_code == 200
    assert 'id="lead-fault">Line 1: There is no placeholder {{ x }}.' in page.text
    assert f'action="{MAIL}/back"' in page.text


async def test_to_save_nothing_of_ones_own_changes_nothing(gateway: Script, browser: Browser) -> None:
    assert (await browser.submit(MAIL, MAIL, OURS)).status_code == 303
    assert "These are the usual words already." in (await browser.get(MAIL)).text
    gateway.on(f"GET {OF_MAIL}", told.template(**OWN))
    refused = await browser.submit(MAIL, MAIL, {"subject": "", "lead": ""})
    assert refused.status_code == 422
    assert "Nothing of your own is left." in refused.text
    assert gateway.asked(f"PUT {OF_MAIL}") == []


async def test_a_preview_keeps_what_was_typed_and_saves_nothing(gateway: Script, browser: Browser) -> None:
    typed = {"subject": OURS["subject"], "lead": "See <you>"}
    page = await browser.submit(MAIL, MAIL, typed | {"preview": "yes"})
    assert page.status_code == 200
    assert "See &lt;you&gt;</textarea>" in page.text
    assert gateway.asked(f"POST {OF_MAIL}/preview")[-1].body == {"lead": "See <you>"}
    assert hidden_fields(page.text, MAIL)["version"] == "0"
    assert gateway.asked(f"PUT {OF_MAIL}") == []


async def test_a_text_message_says_what_it_counts_for(gateway: Script, browser: Browser) -> None:
    page = (await browser.get(SMS)).text
    assert "Counts as 2 text messages of your plan" in page
    assert "makes it count more" not in page
    assert 'name="subject"' not in page
    shown = told.preview(subject=None, html=None, encoding="UCS-2", units=60, segments=1)
    gateway.on(f"POST {OF_SMS}/preview", shown)
    page = (await browser.submit(SMS, SMS, {"text": "Olá", "preview": "yes"})).text
    assert "Counts as 1 text message of your plan" in page
    assert "makes it count more" in page
    assert gateway.asked(f"POST {OF_SMS}/preview")[-1].body == {"text": "Olá"}


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (
            "line 2: there is no variable nmae; there are name, business",
            "Line 2: There is no placeholder {{ nmae }}.",
        ),
        (
            "line 1: there is no filter x; there are upper, lower",
            "Line 1: There is no filter x; there are upper, lower.",
        ),
        (
            "line 1: For may not stand here; variables, filters and if may",
            "Line 1: Only text, placeholders and conditions may stand here.",
        ),
        (
            "line 2: unexpected '}'",
            "Line 2: This cannot be read: unexpected &#39;}&#39;. A placeholder looks like {{ name }}.",
        ),
        ("it cannot be rendered: no", "This cannot be filled in: no."),
        ("nothing is left of it with sample facts", "Nothing is left of it once it is filled in."),
        ("String should have at most 2000 characters", "This must have at most 2000 characters."),
    ],
)
@pytest.mark.parametrize("preview", [{}, {"preview": "yes"}])
async def test_a_fault_of_a_template_stands_at_its_field(
    gateway: Script, browser: Browser, detail: str, words: str, preview: dict[str, str]
) -> None:
    gateway.refuse(f"PUT {OF_MAIL}", 422, "invalid", "…", lead=detail)
    shown, refusal = (200, told.preview()), gateway.answers[f"PUT {OF_MAIL}"]
    gateway.on(f"POST {OF_MAIL}/preview", lambda call: refusal if call.body else shown)
    refused = await browser.submit(MAIL, MAIL, OURS | {"lead": "Hi\n{{ nmae }}"} | preview)
    assert refused.status_code == 422
    assert f'id="lead-fault">{words}</p>' in refused.text
    assert 'aria-describedby="lead-hint lead-fault"' in refused.text
    assert "Hi\n{{ nmae }}</textarea>" in refused.text
    assert "It is shown once what is marked is right." in refused.text


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("line 1: there is no variable x; there are y", "There is no placeholder {{ x }}."),
        (
            "it takes 11 segments with sample facts; 10 at most",
            "This would count as 11 text messages; there may be 10.",
        ),
    ],
)
async def test_one_line_has_no_number(gateway: Script, browser: Browser, detail: str, words: str) -> None:
    gateway.refuse(f"PUT {OF_SMS}", 422, "invalid", "…", text=detail)
    refused = await browser.submit(SMS, SMS, {"text": "{{ x }}"})
    assert f'id="text-fault">{words}</p>' in refused.text


@pytest.mark.parametrize(
    ("status", "detail", "words"),
    [(412, "It was changed.", "Somebody changed it"), (403, "It is suspended.", "<p>It is suspended.</p>")],
)
async def test_what_is_refused_says_why(
    gateway: Script, browser: Browser, status: int, detail: str, words: str
) -> None:
    gateway.refuse(f"PUT {OF_MAIL}", status, "x", detail)
    answer = await browser.submit(MAIL, MAIL, {"lead": "Hi, how are you"})
    assert answer.status_code == status
    assert words in answer.text
    assert "Hi, how are you</textarea>" in answer.text


async def test_the_usual_words_come_back_by_two_presses(gateway: Script, browser: Browser) -> None:
    assert f"{MAIL}/back" not in (await browser.get(MAIL)).text
    gateway.on(f"GET {OF_MAIL}", told.template(**OWN))
    gateway.on(f"DELETE {OF_MAIL}", None, 204)
    page = (await browser.get(MAIL)).text
    assert page.index("<details") < page.index(f'action="{MAIL}/back"') < page.index("</details>")
    done = await browser.submit(MAIL, f"{MAIL}/back")
    assert (done.status_code, done.headers["location"]) == (303, MAIL)
    assert gateway.asked(f"DELETE {OF_MAIL}")[0].headers["if-match"] == '"v3"'
    gateway.refuse(f"DELETE {OF_MAIL}", 412, "precondition-failed", "It was changed.")
    await browser.submit(MAIL, f"{MAIL}/back")
    assert "Somebody changed it" in (await browser.get(MAIL)).text


@pytest.mark.usefixtures("as_staff")
async def test_staff_read_the_words(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {OF_MAIL}", told.template(**OWN))
    page = (await browser.get(MAIL)).text
    assert "Hi &lt;you&gt;,\nsee you." in page
    assert "<textarea" not in page
    assert f'action="{MAIL}' not in page
    assert gateway.asked(f"POST {OF_MAIL}/preview") == []


@pytest.mark.parametrize("path", ["booked/sms/en", "party/email/en", "booked/email/fr", "booked/pigeon/en"])
async def test_what_no_message_is_written_from_is_a_page(
    gateway: Script, browser: Browser, path: str
) -> None:
    answer = await browser.get(f"{WORDING}/{path}")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert gateway.calls == []


async def test_a_message_of_a_move_knows_the_time_before(gateway: Script, browser: Browser) -> None:
    gateway.on("POST /v1/message-templates/rescheduled/email/en/preview", told.preview())
    assert "<code>{{ previous_when }}</code>" in (await browser.get(f"{WORDING}/rescheduled/email/en")).text
