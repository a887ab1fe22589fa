"""A service's form: how many perform it together, the rooms it needs, the questions that a booking answers."""

import html
import re
from typing import Any

import pytest

from contracts.business import ResourceNeed
from support import web_samples as samples
from support.web_forms import as_it_stands
from support.web_site import Browser, Script
from unit.web.open_business import DOG, QUESTIONS, RULES

pytestmark = pytest.mark.usefixtures("signed_in")
OFFER = f"/dashboard/services/{samples.SERVICE}"
NEW = "/dashboard/services/new"
PUT = f"PUT /v1/services/{samples.SERVICE}"
ROOM, CHAIRS = str(samples.ROOM), str(samples.CHAIRS)
NEEDS = [
    ResourceNeed(resource_ids=[samples.ROOM], count=1),
    ResourceNeed(resource_ids=[samples.CHAIRS], count=2),
]
FOUND = samples.service(staff_count=2, needs=NEEDS, questions=QUESTIONS)
TEXT = {"kind": "text", "choices": [], "required": False}


@pytest.fixture(autouse=True)
def _service(signed_in: None, gateway: Script) -> None:
    gateway.on(
        "GET /v1/resources",
        samples.page(samples.room(), samples.room(id=samples.CHAIRS, name="Chair <A>", capacity=3)),
    )
    gateway.on(f"GET /v1/services/{samples.SERVICE}", FOUND)
    gateway.on(PUT, FOUND)


async def fields(browser: Browser) -> dict[str, list[str]]:
    """The form of the service as the page has it."""
    return as_it_stands((await browser.get(OFFER)).text, OFFER)


async def saved(gateway: Script, browser: Browser, form: dict[str, Any]) -> Any:
    answer = await browser.post(OFFER, data=form)
    assert answer.headers.get("location") == "/dashboard/services", answer.text
    return gateway.asked(PUT)[-1].body


async def test_a_form_that_is_saved_as_it_stands_changes_nothing(gateway: Script, browser: Browser) -> None:
    body = await saved(gateway, browser, await fields(browser))
    told = {"id", "version", "price"}
    assert body == {name: value for name, value in FOUND.items() if name not in told} | {"price_amount": 2500}
    assert gateway.asked(PUT)[0].headers["if-match"] == '"v3"'


async def test_rooms_and_questions_are_shown_escaped(browser: Browser) -> None:
    page = (await browser.get(OFFER)).text
    assert "Chair &lt;A&gt; " in page
    assert 'value="Which &lt;dog&gt;?"' in page
    assert '<option value="choice" selected>' in page
    assert "(3)" in page, "of which there are several"


async def test_a_new_service_asks_and_needs_what_its_rows_say(gateway: Script, browser: Browser) -> None:
    gateway.on("POST /v1/services", FOUND, 201)
    form = as_it_stands((await browser.get(NEW)).text, NEW) | {
        "name": "Massage",
        "price": "60",
        "staff_count": "2",
        "need-0": [CHAIRS, ROOM],
        "count-0": "2",
        "question-1": "Length",
        "kind-1": "choice",
        "choices-1": " short \r\n\r\nlong\r\n",
        "required-1": "yes",
    }
    answer = await browser.post(NEW, data=form)
    assert answer.status_code == 303, answer.text
    body = gateway.asked("POST /v1/services")[0].body
    assert body["staff_count"] == 2
    assert body["needs"] == [{"resource_ids": [CHAIRS, ROOM], "count": 2}]
    length = {"label": "Length", "kind": "choice", "choices": ["short", "long"], "required": True}
    assert body["questions"] == [length | {"id": None}]


async def test_a_new_service_needs_and_asks_nothing_by_itself(gateway: Script, browser: Browser) -> None:
    gateway.on("POST /v1/services", FOUND, 201)
    form = as_it_stands((await browser.get(NEW)).text, NEW) | {"name": "Massage", "price": "60"}
    await browser.post(NEW, data=form)
    body = gateway.asked("POST /v1/services")[0].body
    assert (body["staff_count"], body["needs"], body["questions"]) == (1, [], [])


async def test_an_emptied_row_is_removed_and_the_others_keep_their_ids_and_order(
    gateway: Script, browser: Browser
) -> None:
    form = await fields(browser)
    del form["need-0"]
    form |= {"question-1": [""], "question-3": ["Anything else?"]}
    body = await saved(gateway, browser, form)
    assert body["needs"] == [{"resource_ids": [CHAIRS], "count": 2}]
    assert [(item["id"], item["label"]) for item in body["questions"]] == [
        (str(DOG), "Which <dog>?"),
        (str(RULES), "I know the rules"),
        (None, "Anything else?"),
    ]
    assert body["questions"][2] == TEXT | {"id": None, "label": "Anything else?"}


@pytest.mark.parametrize(
    ("needs", "rooms", "rows"),
    [([], 0, 0), ([], 1, 1), ([], 2, 1), (NEEDS[:1], 1, 1), (NEEDS[:1], 2, 2), (NEEDS, 2, 2), (NEEDS, 1, 2)],
)
async def test_there_is_a_line_more_than_is_needed_while_there_are_rooms_for_it(
    gateway: Script, browser: Browser, needs: list[ResourceNeed], rooms: int, rows: int
) -> None:
    there = [samples.room(), samples.room(id=samples.CHAIRS)][:rooms]
    gateway.on("GET /v1/resources", samples.page(*there))
    gateway.on(f"GET /v1/services/{samples.SERVICE}", samples.service(needs=needs))
    page = (await browser.get(OFFER)).text
    assert len(re.findall(r'name="count-\d+"', page)) == rows
    assert ('<a href="/dashboard/rooms">add that</a>' in page) is (rooms == 0)


@pytest.mark.parametrize(("asked", "rows"), [(0, 2), (3, 5), (18, 20), (20, 20)])
async def test_there_is_room_for_two_questions_more_up_to_twenty(
    gateway: Script, browser: Browser, asked: int, rows: int
) -> None:
    questions = [QUESTIONS[0].model_dump()] * asked
    gateway.on(f"GET /v1/services/{samples.SERVICE}", samples.service(questions=questions))
    assert len(re.findall(r'name="question-\d+"', (await browser.get(OFFER)).text)) == rows


async def test_what_the_api_says_of_a_row_stands_at_the_row_that_is_meant(
    gateway: Script, browser: Browser
) -> None:
    """Of the needs, line 0 is empty; of the questions, the second: what is sent has other numbers than the rows."""
    form = await fields(browser)
    del form["need-0"]
    form |= {"question-1": [""], "question-4": ["Colour"], "kind-4": ["choice"], "choices-4": ["red\nred"]}
    gateway.refuse(
        PUT,
        422,
        "invalid",
        "…",
        staff_count="is more than there are in staff_ids",
        needs__0__count="is more than these resources have: 3",
        needs__0__resource_ids__0=f"no resource has the id {CHAIRS}",
        questions__0__label="String should have at most 120 characters",
        questions__1="Value error, choices are needed for a choice, and for nothing else",
        questions__2__choices="Value error, two choices are the same",
    )
    answer = await browser.post(OFFER, data=form)
    assert answer.status_code == 422
    faults = dict(re.findall(r'<p class="fault" id="([^"]+)-fault">([^<]*)</p>', answer.text))
    assert faults == {
        "staff_count": "This is more than are chosen above.",
        "count-1": "This is more than there are: 3.",
        "need-1": "One of these is gone. Please choose again.",
        "question-0": "This must have at most 120 characters.",
        "choices-2": "Choices are needed where one of them is the answer, and nowhere else.",
        "choices-4": "Two of the choices are the same.",
    }
    now = as_it_stands(answer.text, OFFER)
    for name in ("need-1", "count-1", "question-0", "question_id-0", "question-4", "kind-4", "required-2"):
        assert now[name] == form[name], f"{name} is as it was typed"
    assert now["choices-4"] == ["red\r\nred"]
    assert "need-0" not in now


@pytest.mark.parametrize(
    ("pointer", "said", "name", "words"),
    [
        (
            "needs__1__resource_ids__0",
            "stands in the needs already",
            "need-1",
            "Each of them can be chosen in one",
        ),
        (
            "needs__1__resource_ids__0",
            "Input should be a valid UUID, …",
            "need-1",
            "This must be chosen from the",
        ),
        (
            "needs__0__count",
            "Input should be greater than or equal to 1",
            "count-0",
            "This must be at least 1.",
        ),
        (
            "questions__1__choices__2",
            "String should have at most 120 characters",
            "choices-1",
            "Each of the choices must have at most 120 characters.",
        ),
        (
            "questions__1__choices",
            "List should have at most 50 items after validation, not 51",
            "choices-1",
            "There can be at most 50.",
        ),
        (
            "staff_ids__0",
            f"no staff member has the id {samples.ADA}",
            "staff",
            "Somebody who was chosen is gone.",
        ),
    ],
)
async def test_what_the_api_says_by_names_of_its_own_is_said_in_the_forms(
    gateway: Script, browser: Browser, pointer: str, said: str, name: str, words: str
) -> None:
    gateway.refuse(PUT, 422, "invalid", "…", **{pointer: said})
    answer = await browser.post(OFFER, data=await fields(browser))
    assert answer.status_code == 422
    assert f'id="{name}-fault">{words}' in html.unescape(answer.text)
    assert said not in answer.text


async def test_choices_without_a_question_are_not_dropped(gateway: Script, browser: Browser) -> None:
    form = await fields(browser) | {"choices-4": ["red\nblue"], "count-0": ["some"]}
    answer = await browser.post(OFFER, data=form)
    assert answer.status_code == 422
    assert 'id="question-4-fault">This is needed.' in answer.text
    assert 'id="count-0-fault">This must be a whole number.' in answer.text
    assert as_it_stands(answer.text, OFFER)["choices-4"] == ["red\r\nblue"]
    assert gateway.asked(PUT) == []


async def test_a_kind_that_is_none_is_words(gateway: Script, browser: Browser) -> None:
    body = await saved(gateway, browser, await fields(browser) | {"kind-0": ["essay"]})
    assert body["questions"][0]["kind"] == "text"


async def test_what_somebody_else_changed_is_not_overwritten(gateway: Script, browser: Browser) -> None:
    gateway.refuse(PUT, 412, "precondition-failed", "It was changed.")
    answer = await browser.post(OFFER, data=await fields(browser) | {"description": ["Of long hair"]})
    assert "Somebody changed it" in answer.text
    assert "Of long hair</textarea>" in answer.text


async def test_the_list_says_of_a_team_how_many_it_has(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/services", samples.page(FOUND, samples.service()))
    assert (await browser.get("/dashboard/services")).text.count("people together") == 1


@pytest.mark.usefixtures("as_staff")
async def test_staff_see_it_and_cannot_save(browser: Browser) -> None:
    page = (await browser.get(OFFER)).text
    assert "Which &lt;dog&gt;?" in page
    assert "Save" not in page
