"""Meters and meter events: what is used, by event name and customer, and its sum over a time."""

from typing import Annotated, Any, Literal

from pydantic import Field

from stripe_standin.errors import ApiError
from stripe_standin.requests import Call, Nested, NoParams, PageParams, Params, Route, listed
from stripe_standin.store import Object, new_id

_EVENT = "billing.meter_event"
_MAX_AGE = 35 * 24 * 3600


class Aggregation(Nested):
    formula: Literal["count", "last", "sum"]


class CustomerMapping(Nested):
    type: Literal["by_id"] = "by_id"
    event_payload_key: str


class ValueSettings(Nested):
    event_payload_key: str


class MeterCreate(Params):
    display_name: Annotated[str, Field(max_length=250)]
    event_name: Annotated[str, Field(max_length=100)]
    default_aggregation: Aggregation
    customer_mapping: CustomerMapping | None = None
    value_settings: ValueSettings | None = None


class MeterList(PageParams):
    status: Literal["active", "inactive"] | None = None


class MeterEventCreate(Params):
    event_name: Annotated[str, Field(max_length=100)]
    payload: dict[str, str]
    identifier: Annotated[str | None, Field(max_length=100)] = None
    timestamp: int | None = None


class SummaryList(PageParams):
    customer: str
    start_time: int
    end_time: int
    value_grouping_window: Literal["day", "hour"] | None = None


def create(call: Call) -> Object:
    params = call.read(MeterCreate)
    same = call.world.store.all(
        "billing.meter",
        lambda meter: meter["event_name"] == params.event_name and meter["status"] == "active",
    )
    if same:
        raise ApiError(
            f"An active meter with the event name {params.event_name} exists already.", param="event_name"
        )
    mapping = params.customer_mapping or CustomerMapping(event_payload_key="stripe_customer_id")
    value = params.value_settings or ValueSettings(event_payload_key="value")
    meter: dict[str, Any] = {
        "id": new_id("mtr_test"),
        "object": "billing.meter",
        "created": call.world.now,
        "customer_mapping": mapping.model_dump(),
        "default_aggregation": params.default_aggregation.model_dump(),
        "display_name": params.display_name,
        "event_name": params.event_name,
        "event_time_window": None,
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": call.world.now,
        "value_settings": value.model_dump(),
    }
    return call.world.store.put(meter)


def retrieve(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("billing.meter", call.path["id"])


def list_(call: Call) -> Object:
    params = call.read(MeterList)
    found = call.world.store.all("billing.meter", lambda meter: params.status in {None, meter["status"]})
    return listed(found, params, "/v1/billing/meters")


def record(call: Call) -> Object:
    """One use. An identifier counts once."""
    params = call.read(MeterEventCreate)
    world = call.world
    meters = world.store.all(
        "billing.meter",
        lambda meter: meter["event_name"] == params.event_name and meter["status"] == "active",
    )
    if not meters:
        raise ApiError(
            f"No active meter found for event name {params.event_name}.", code="no_meter", param="event_name"
        )
    moment = params.timestamp or world.now
    if not -_MAX_AGE <= moment - world.now <= 300:
        raise ApiError(
            "The timestamp must be within the past 35 days or up to 5 minutes in the future.",
            param="timestamp",
        )
    mapping = meters[0]["customer_mapping"]["event_payload_key"]
    world.store.get("customer", params.payload.get(mapping, ""), param=f"payload[{mapping}]")
    identifier = params.identifier or new_id("identifier")
    if world.store.find(_EVENT, identifier):
        raise ApiError(
            f"An event already exists with identifier {identifier}.",
            code="duplicate_meter_event",
            param="identifier",
        )
    event = {
        "object": _EVENT,
        "created": world.now,
        "event_name": params.event_name,
        "identifier": identifier,
        "livemode": False,
        "payload": params.payload,
        "timestamp": moment,
    }
    world.store.put(event | {"id": identifier}, _EVENT)
    return event


def summaries(call: Call) -> Object:
    """One summary over the whole time asked for."""
    params = call.read(SummaryList)
    meter = call.world.store.get("billing.meter", call.path["id"])
    mapping = meter["customer_mapping"]["event_payload_key"]
    key = meter["value_settings"]["event_payload_key"]
    values = [
        float(event["payload"].get(key, "1"))
        for event in call.world.store.all(_EVENT)
        if event["event_name"] == meter["event_name"]
        and event["payload"][mapping] == params.customer
        and params.start_time <= event["timestamp"] < params.end_time
    ]
    formula = meter["default_aggregation"]["formula"]
    total = len(values) if formula == "count" else sum(values) if formula == "sum" else values[:1]
    summary = {
        "id": new_id("mtrusg_test"),
        "object": "billing.meter_event_summary",
        "aggregated_value": total[0] if isinstance(total, list) and total else total or 0,
        "end_time": params.end_time,
        "livemode": False,
        "meter": meter["id"],
        "start_time": params.start_time,
    }
    return listed([summary] if values else [], params, f"/v1/billing/meters/{meter['id']}/event_summaries")


ROUTES = (
    Route("POST", "/v1/billing/meters", MeterCreate, create),
    Route("GET", "/v1/billing/meters", MeterList, list_),
    Route("GET", "/v1/billing/meters/{id}", NoParams, retrieve),
    Route("GET", "/v1/billing/meters/{id}/event_summaries", SummaryList, summaries),
    Route("POST", "/v1/billing/meter_events", MeterEventCreate, record),
)
