"""What a service asks is asked of whoever takes an offered time, too: it is answered, or nothing is booked."""

from typing import Any

import pytest

from contracts.business import Question
from integration.booking.test_closures import DOG, LENGTH, QUESTIONS, RULES, answers
from integration.booking.waiting import accept, full_shop, join, seen
from integration.booking.world import Shop, World, service, tomorrow_noon, wish
from servicekit.ids import new_id

GOOD = answers(dog=" Rex ", rules=True)


async def offered(world: World, questions: list[Question], **made: Any) -> tuple[Shop, dict[str, Any]]:
    """A business with one entry on its list, which has an offer."""
    shop = await world.shop(questions=questions, **made)
    entry = join(world, shop)
    await world.turn()
    assert seen(world, entry)["state"] == "offered"
    return shop, entry


def kept(world: World, shop: Shop, booked: dict[str, Any]) -> dict[str, Any]:
    """The appointment as the business sees it."""
    found: dict[str, Any] = world.call("GET", f"/v1/appointments/{booked['id']}", shop).json()
    return found


async def test_an_entry_tells_what_the_service_asks_now(world: World) -> None:
    shop = await world.shop(questions=QUESTIONS)
    entry = join(world, shop)
    asked = [
        {"id": DOG, "label": "Which dog?", "kind": "text", "choices": [], "required": True},
        {
            "id": LENGTH,
            "label": "How long?",
            "kind": "choice",
            "choices": ["short", "long"],
            "required": False,
        },
        {"id": RULES, "label": "I know the rules", "kind": "checkbox", "choices": [], "required": True},
    ]
    assert entry["questions"] == seen(world, entry)["questions"] == asked
    await world.tell(shop, service(shop, version=2, questions=QUESTIONS[1:2]))
    assert seen(world, entry)["questions"] == asked[1:2]


async def test_answers_are_kept_with_the_appointment_and_a_repetition_needs_none(world: World) -> None:
    shop, entry = await offered(world, QUESTIONS)
    booked = accept(world, entry, json={"answers": GOOD})
    assert booked.status_code == 201, booked.text
    assert "Rex" not in booked.text
    bodies: list[Any] = [None, {}, {"answers": answers(length="medium")}]
    for body in bodies:
        repeated = accept(world, entry, json=body)
        assert (repeated.status_code, repeated.text) == (201, booked.text)
    mine = kept(world, shop, booked.json())
    assert mine["source"] == "waitlist"
    assert mine["answers"] == [
        {"question_id": DOG, "label": "Which dog?", "answer": "Rex"},
        {"question_id": RULES, "label": "I know the rules", "answer": True},
    ]


@pytest.mark.parametrize(
    "given",
    [
        [],
        answers(dog="Rex"),
        answers(dog="", rules=True),
        answers(dog="Rex", rules=False),
        answers(dog="Rex", rules=True, length="medium"),
        answers(dog="x" * 2001, rules=True),
        answers(dog="Rex", rules=True) + answers(dog="Bello"),
        [*GOOD, {"question_id": str(new_id()), "answer": "x"}],
        [{"question_id": DOG, "answer": 7}],
        51 * answers(dog="Rex"),
    ],
)
async def test_a_wrong_answer_is_refused_as_on_the_public_page_and_the_offer_stands(
    world: World, given: list[dict[str, Any]]
) -> None:
    shop, entry = await offered(world, QUESTIONS)
    before = seen(world, entry)
    refused = accept(world, entry, json={"answers": given})
    public = world.post(shop, wish(shop, tomorrow_noon(), answers=given))
    assert refused.status_code == public.status_code == 422, refused.text
    named = [error["pointer"] for error in refused.json()["errors"]]
    assert named
    assert all(pointer.startswith("/answers") for pointer in named)
    told = {"type", "title", "detail", "errors"}
    assert {name: refused.json()[name] for name in told} == {name: public.json()[name] for name in told}
    assert seen(world, entry) == before
    assert world.rows("SELECT 1 FROM appointment WHERE tenant_id = %s", shop.tenant.tenant_id) == []
    assert accept(world, entry, json={"answers": GOOD}).status_code == 201


@pytest.mark.parametrize("body", [None, {}, {"answers": []}])
async def test_where_an_answer_is_required_none_is_refused(world: World, body: dict[str, Any] | None) -> None:
    _shop, entry = await offered(world, QUESTIONS[:1])
    refused = accept(world, entry, json=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["type"].endswith("/problems/invalid")
    assert refused.json()["errors"] == [{"pointer": "/answers", "detail": "'Which dog?' needs an answer"}]
    assert seen(world, entry)["state"] == "offered"


@pytest.mark.parametrize("body", [None, {}, {"answers": []}, {"answers": answers(length="")}])
async def test_what_is_not_required_may_be_left_out(world: World, body: dict[str, Any] | None) -> None:
    shop, entry = await offered(world, QUESTIONS[1:2])
    booked = accept(world, entry, json=body)
    assert booked.status_code == 201, booked.text
    assert kept(world, shop, booked.json())["answers"] == []


async def test_what_counts_is_what_is_asked_at_the_acceptance(world: World) -> None:
    """The business has changed its questions since the offer was made."""
    shop, entry = await offered(world, QUESTIONS[:1])
    await world.tell(shop, service(shop, version=2, questions=QUESTIONS[2:]))
    refused = accept(world, entry, json={"answers": answers(dog="Rex")})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/answers/0/question_id", "/answers"]
    booked = accept(world, entry, json={"answers": answers(rules=True)})
    assert [item["label"] for item in kept(world, shop, booked.json())["answers"]] == ["I know the rules"]


async def test_without_an_offer_no_answer_helps(world: World) -> None:
    """Who has nothing to take hears that, and not what they should have answered."""
    shop, _tokens = await full_shop(world)
    await world.tell(shop, service(shop, version=2, slot_step_minutes=30, questions=QUESTIONS))
    entry = join(world, shop)
    for given in ([], GOOD):
        late = accept(world, entry, json={"answers": given})
        assert late.status_code == 409
        assert late.json()["type"].endswith("/problems/offer-expired")
    shop, entry = await offered(world, QUESTIONS)
    await world.tell(shop, service(shop, version=2, deleted=True, questions=QUESTIONS))
    gone = accept(world, entry)
    assert gone.json()["type"].endswith("/problems/offer-expired"), gone.text


async def test_a_key_stands_for_its_answers(world: World) -> None:
    """As at any booking: what was refused leaves the key free, what was granted is replayed for the same body."""
    _shop, entry = await offered(world, QUESTIONS)
    key = {"Idempotency-Key": "taking"}
    body = {"answers": GOOD}
    assert accept(world, entry, headers=key).status_code == 422
    booked = accept(world, entry, headers=key, json=body)
    assert booked.status_code == 201, booked.text
    replayed = accept(world, entry, headers=key, json=body)
    assert (replayed.text, replayed.headers["Idempotent-Replayed"]) == (booked.text, "true")
    other = accept(world, entry, headers=key, json={"answers": answers(dog="Bello", rules=True)})
    assert other.status_code == 422
    assert other.json()["type"].endswith("/problems/idempotency-key-reused")


@pytest.mark.parametrize(
    ("content", "status"), [(b"[]", 422), (b'"x"', 422), (b"{", 400), (b'{"answer": []}', 422)]
)
async def test_a_body_that_is_none_is_refused(world: World, content: bytes, status: int) -> None:
    _shop, entry = await offered(world, [])
    refused = accept(world, entry, content=content, headers={"Content-Type": "application/json"})
    assert refused.status_code == status, refused.text
    assert seen(world, entry)["state"] == "offered"
