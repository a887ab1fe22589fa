"""A business that can be booked, as the scripted gateway tells of it, three days ahead at nine."""

import datetime as dt
from uuid import UUID
from zoneinfo import ZoneInfo

from servicekit.http.questions import QuestionAnswer
from support import web_samples as samples
from support.web_site import Script

LISBON = ZoneInfo(samples.ZONE)
NINE = dt.datetime.combine(dt.datetime.now(LISBON).date() + dt.timedelta(days=3), dt.time(9), LISBON)
BUSINESS = "GET /v1/public/riverside"
FREE = "GET /v1/public/riverside/availability"
HOLDS = "POST /v1/public/riverside/holds"
BOOK = "POST /v1/public/riverside/appointments"
PICKER = f"/b/riverside?service={samples.SERVICE}"
TOO_SOON = "is too soon: this service needs 1 hour notice"
DOG, LENGTH, RULES = (UUID(int=number) for number in (41, 42, 43))
QUESTIONS = [
    QuestionAnswer(id=DOG, label="Which <dog>?", kind="text", choices=[], required=True),
    QuestionAnswer(
        id=LENGTH, label="Length", kind="choice", choices=["short", "long", "as  it is"], required=False
    ),
    QuestionAnswer(id=RULES, label="I know the rules", kind="checkbox", choices=[], required=True),
]


def open_for_booking(gateway: Script) -> None:
    gateway.on(BUSINESS, samples.business())
    gateway.on(FREE, samples.availability(NINE, NINE + dt.timedelta(minutes=15)))
    gateway.on(HOLDS, samples.hold(NINE), 201)
    gateway.on(BOOK, samples.booked(NINE), 201)
    gateway.on(f"GET /v1/public/appointments/{samples.TOKEN}", samples.managed(NINE))
