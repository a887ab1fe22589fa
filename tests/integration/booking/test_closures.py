"""When nobody works, and what a service asks: time off, holidays, questions, over HTTP."""

import json
from datetime import timedelta
from typing import Any

import pytest

from contracts.business import Holiday, HolidaysChanged, HoursException, Interval, Question, TimeOff
from integration.booking.world import Shop, World, room, service, tomorrow_noon, wish, works_all_day
from servicekit.ids import new_id


def offered(world: World, shop: Shop) -> set[str]:
    noon = tomorrow_noon()
    query = {"service": str(shop.service_id), "from": f"{noon:%F}", "to": f"{noon:%F}", "timezone": "UTC"}
    answer = world.call("GET", f"/v1/public/{shop.tenant.slug}/availability", params=query)
    assert answer.status_code == 200, answer.text
    return {slot["starts_at"][11:16] for slot in answer.json()["slots"]}


async def test_time_off_is_neither_offered_nor_booked_and_leaves_what_stands(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    standing = world.post(shop, wish(shop, noon)).json()
    away = TimeOff(
        time_off_id=new_id(), starts_at=noon - timedelta(hours=1), ends_at=noon + timedelta(hours=1)
    )
    member = works_all_day(shop.tenant.tenant_id, shop.staff[0])
    await world.tell(shop, member.model_copy(update={"version": 2, "time_off": [away]}))
    free = offered(world, shop)
    assert not {"10:45", "11:00", "11:30", "12:00", "12:45"} & free
    assert {"10:30", "13:00"} <= free
    for minutes, status in ((-75, 422), (-60, 422), (30, 422), (-90, 201), (60, 201)):
        answer = world.post(shop, wish(shop, noon + timedelta(minutes=minutes)))
        assert answer.status_code == status, (minutes, answer.text)
    assert world.call("GET", f"/v1/appointments/{standing['id']}", shop).json()["status"] == "confirmed"


async def test_what_is_heard_late_of_the_catalog_changes_nothing(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    member = works_all_day(shop.tenant.tenant_id, shop.staff[0])
    closed = Holiday(date=noon.date(), name="Some day")
    days = HolidaysChanged(tenant_id=shop.tenant.tenant_id, version=3, days=[])
    await world.tell(shop, member.model_copy(update={"version": 3}), service(shop, version=3), days)
    for late in (
        member.model_copy(update={"version": 2, "deleted": True}),
        service(shop, version=2, deleted=True),
        days.model_copy(update={"version": 2, "days": [closed]}),
    ):
        await world.tell(shop, late)
        assert "12:00" in offered(world, shop), late.TYPE


async def test_on_a_holiday_only_those_work_who_have_an_exception(world: World) -> None:
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    day = noon.date()
    needed = room(shop)
    short = HoursException(
        date=day, intervals=[Interval.model_validate({"opens": "12:00", "closes": "14:00"})]
    )
    first, second = (works_all_day(shop.tenant.tenant_id, staff_id) for staff_id in shop.staff)
    await world.tell(
        shop,
        needed,
        service(shop, version=2, needs=[{"resource_ids": [needed.resource_id]}]),
        first.model_copy(update={"version": 2, "timezone": "UTC"}),
        second.model_copy(update={"version": 2, "timezone": "UTC", "exceptions": [short]}),
        HolidaysChanged(
            tenant_id=shop.tenant.tenant_id, version=2, days=[Holiday(date=day, name="Some day")]
        ),
    )
    assert offered(world, shop) == {"12:00", "12:15", "12:30", "12:45", "13:00", "13:15", "13:30"}
    assert world.post(shop, wish(shop, noon - timedelta(hours=1))).status_code == 422
    assert world.post(shop, wish(shop, noon, staff_id=str(shop.staff[0]))).status_code == 422
    answer = world.post(shop, wish(shop, noon))
    assert answer.json()["staff_ids"] == [str(shop.staff[1]), str(needed.resource_id)]
    # An older list does not come back; without the day, both work.
    await world.tell(shop, HolidaysChanged(tenant_id=shop.tenant.tenant_id, version=3, days=[]))
    await world.tell(
        shop,
        HolidaysChanged(tenant_id=shop.tenant.tenant_id, version=2, days=[Holiday(date=day, name="Old")]),
    )
    assert "09:00" in offered(world, shop)


QUESTIONS = [
    Question(question_id=new_id(), label="Which dog?", kind="text", required=True),
    Question(question_id=new_id(), label="How long?", kind="choice", choices=["short", "long"]),
    Question(question_id=new_id(), label="I know the rules", kind="checkbox", required=True),
]
DOG, LENGTH, RULES = (str(question.question_id) for question in QUESTIONS)


def answers(**given: Any) -> list[dict[str, Any]]:
    ids = {"dog": DOG, "length": LENGTH, "rules": RULES}
    return [{"question_id": ids[name], "answer": answer} for name, answer in given.items()]


async def test_answers_are_kept_as_they_were_asked_and_shown_to_the_business_alone(world: World) -> None:
    shop = await world.shop(questions=QUESTIONS)
    body = wish(shop, tomorrow_noon(), answers=answers(rules=True, dog=" Rex ", length=""))
    booked = world.post(shop, body)
    assert booked.status_code == 201, booked.text
    assert "Rex" not in booked.text
    later = QUESTIONS[0].model_copy(update={"label": "Whose dog?"})
    await world.tell(shop, service(shop, version=2, questions=[later]))
    path = f"/v1/appointments/{booked.json()['id']}"
    assert world.call("GET", path, shop).json()["answers"] == [
        {"question_id": DOG, "label": "Which dog?", "answer": "Rex"},
        {"question_id": RULES, "label": "I know the rules", "answer": True},
    ]
    assert "Rex" not in world.call("GET", f"/v1/public/appointments/{booked.json()['token']}").text
    told = world.rows("SELECT payload FROM outbox WHERE key LIKE %s", f"{shop.tenant.tenant_id}/%")
    assert told
    assert not any("Rex" in json.dumps(json.loads(row["payload"])) for row in told)
    staffs = wish(shop, tomorrow_noon() + timedelta(hours=1), answers=answers(dog="Bello"))
    made = world.call("POST", "/v1/appointments", shop, json=staffs)
    assert made.status_code == 201, made.text
    listed = world.call("GET", "/v1/appointments", shop).json()["items"]
    assert [item["answers"][0]["label"] for item in listed] == ["Which dog?", "Whose dog?"]


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], ["/answers", "/answers"]),
        (answers(dog="Rex"), ["/answers"]),
        (answers(dog="", rules=True), ["/answers/0/answer"]),
        (answers(dog="Rex", rules=False), ["/answers/1/answer"]),
        (answers(dog="Rex", rules="yes"), ["/answers/1/answer"]),
        (answers(dog=True, rules=True), ["/answers/0/answer"]),
        (answers(dog="x" * 2001, rules=True), ["/answers/0/answer"]),
        (answers(dog="Rex", rules=True, length="medium"), ["/answers/2/answer"]),
        (answers(dog="Rex", rules=True) + answers(dog="Bello"), ["/answers/2/question_id"]),
        (
            [*answers(dog="Rex", rules=True), {"question_id": str(new_id()), "answer": "x"}],
            ["/answers/2/question_id"],
        ),
        ([{"question_id": DOG, "answer": 7}], ["/answers/0/answer"]),
    ],
)
async def test_a_wrong_answer_is_named_and_books_nothing(
    world: World, given: list[dict[str, Any]], pointers: list[str]
) -> None:
    shop = await world.shop(questions=QUESTIONS)
    refused = world.post(shop, wish(shop, tomorrow_noon(), answers=given))
    assert refused.status_code == 422, refused.text
    found = [error["pointer"] for error in refused.json()["errors"]]
    assert found == pointers, refused.text
    assert world.rows("SELECT 1 FROM allocation WHERE tenant_id = %s", shop.tenant.tenant_id) == []
