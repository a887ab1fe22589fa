"""Good requests of business: staff, hours, resources, services, policy."""

from datetime import UTC, datetime
from typing import Any

from integration.gateway.bad_input import Good
from integration.gateway.good_requests.registry import ANY, good, keyed, plain
from integration.gateway.sites import ALL_DAY, Site

_BACKWARDS = [{"opens": "12:00", "closes": "09:00"}]
_OVERLAPPING = [
    {"weekday": 0, "opens": "09:00", "closes": "12:00"},
    {"weekday": 0, "opens": "11:00", "closes": "13:00"},
]
_HOURS_TOGETHER = ({"weekly_hours": _OVERLAPPING}, "/weekly_hours")
_RULE = {"offset_seconds": 7200, "channel": "email"}

plain(
    "/v1/business",
    "/v1/staff",
    "/v1/services",
    "/v1/reminder-policy",
    "/v1/resources",
    "/v1/business/holidays",
)


@good("PATCH", "/v1/business")
def _profile(site: Site) -> Good:
    body = {
        "description": "Cuts and shaves",
        "contact_email": "hello@riverside.example",
        "contact_phone": "+351912345678",
        "address": "1 River Street",
    }
    return Good(body=body, headers=ANY, person=site.mine.owner)


_MEMBER = {"name": "Ada", "email": "ada@riverside.example", "timezone": "Europe/Lisbon"}


@good("POST", "/v1/staff")
def _new_staff(site: Site) -> Good:
    return Good(
        body=_MEMBER | {"weekly_hours": ALL_DAY},
        headers=keyed(),
        person=site.mine.owner,
        together=(_HOURS_TOGETHER,),
    )


def _member(site: Site, **more: Any) -> Good:
    """About a staff member whom nothing else here needs."""
    values = {"staff_id": site.mine.new_staff()} | more.pop("values", {})
    return Good(values, person=site.mine.owner, others={"staff_id": site.other.staff}, **more)


@good("GET", "/v1/staff/{staff_id}")
@good("DELETE", "/v1/staff/{staff_id}")
@good("GET", "/v1/staff/{staff_id}/hours")
@good("GET", "/v1/staff/{staff_id}/exceptions")
def _staff(site: Site) -> Good:
    return _member(site)


@good("PATCH", "/v1/staff/{staff_id}")
def _edit_staff(site: Site) -> Good:
    return _member(site, body=_MEMBER, headers=ANY)


@good("PUT", "/v1/staff/{staff_id}/hours")
def _hours(site: Site) -> Good:
    return _member(site, body={"weekly_hours": ALL_DAY}, headers=ANY, together=(_HOURS_TOGETHER,))


@good("PUT", "/v1/staff/{staff_id}/exceptions/{day}")
def _exception(site: Site) -> Good:
    body = {"intervals": [{"opens": "09:00", "closes": "12:00"}]}
    together = (({"intervals": _BACKWARDS}, "/intervals"),)
    return _member(site, values={"day": "2098-12-24"}, body=body, together=together)


@good("DELETE", "/v1/staff/{staff_id}/exceptions/{day}")
def _no_exception(site: Site) -> Good:
    return _member(site, values={"day": "2098-12-24"})


@good("GET", "/v1/staff/{staff_id}/time-off")
def _time_off(site: Site) -> Good:
    return _member(site)


@good("POST", "/v1/staff/{staff_id}/time-off")
def _new_time_off(site: Site) -> Good:
    body = {"starts_at": "2098-08-01T00:00:00Z", "ends_at": "2098-08-15T00:00:00Z"}
    together = ((body | {"ends_at": body["starts_at"]}, "/ends_at"),)
    return _member(site, body=body, headers=keyed(), together=together)


@good("DELETE", "/v1/staff/{staff_id}/time-off/{time_off_id}")
def _no_time_off(site: Site) -> Good:
    staff_id = site.mine.new_staff()
    values = {"staff_id": staff_id, "time_off_id": site.mine.new_time_off(staff_id)}
    others = {"staff_id": site.other.staff, "time_off_id": site.other.new_time_off(site.other.staff)}
    return Good(values, person=site.mine.owner, others=others)


_XMAS = {"date": "2098-12-25", "name": "Christmas"}


@good("PUT", "/v1/business/holidays")
def _holidays(site: Site) -> Good:
    together = (({"days": [_XMAS, _XMAS]}, "/days"),)
    return Good(body={"days": [_XMAS]}, headers=ANY, person=site.mine.owner, together=together)


@good("POST", "/v1/business/holidays/import")
def _import_holidays(site: Site) -> Good:
    lines = ("SUMMARY:Labour Day", f"DTSTART;VALUE=DATE:{datetime.now(UTC).year + 1}0501")
    framed = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", "")
    headers = {"Content-Type": "text/calendar"}
    return Good(body="\r\n".join(framed), headers=headers, person=site.mine.owner)


_CLOSED_DAY = {"date": "2098-12-24", "intervals": [{"opens": "09:00", "closes": "12:00"}]}
_RESOURCE = {
    "name": "Room",
    "timezone": "Europe/Lisbon",
    "capacity": 2,
    "weekly_hours": ALL_DAY,
    "exceptions": [_CLOSED_DAY],
}
_TWICE = ({"exceptions": [_CLOSED_DAY, _CLOSED_DAY]}, "/exceptions")


@good("POST", "/v1/resources")
def _new_resource(site: Site) -> Good:
    together = (_HOURS_TOGETHER, _TWICE)
    return Good(body=_RESOURCE, headers=keyed(), person=site.mine.owner, together=together)


def _resource(site: Site, **more: Any) -> Good:
    """About one that nothing else here needs."""
    others = {"resource_id": site.other.resource}
    return Good({"resource_id": site.mine.new_resource()}, person=site.mine.owner, others=others, **more)


@good("GET", "/v1/resources/{resource_id}")
@good("DELETE", "/v1/resources/{resource_id}")
def _one_resource(site: Site) -> Good:
    return _resource(site)


@good("PATCH", "/v1/resources/{resource_id}")
def _edit_resource(site: Site) -> Good:
    return _resource(site, body=_RESOURCE, headers=ANY, together=(_HOURS_TOGETHER, _TWICE))


def _offer(site: Site) -> dict[str, Any]:
    return {
        "name": "Cut",
        "description": "With scissors",
        "duration_minutes": 30,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 5,
        "slot_step_minutes": 15,
        "minimum_notice_minutes": 60,
        "booking_window_days": 60,
        "cancellation_window_minutes": 120,
        "capacity": 1,
        "requires_confirmation": False,
        "price_amount": 2500,
        "staff_ids": [site.mine.staff],
        "staff_count": 1,
        "needs": [{"resource_ids": [site.mine.resource], "count": 1}],
        "questions": [
            {"id": None, "label": "Length", "kind": "choice", "choices": ["short", "long"], "required": False}
        ],
    }


_OFFERS = "staff_ids"
_NEEDED = "resource_ids"


@good("POST", "/v1/services")
def _new_service(site: Site) -> Good:
    others = {_OFFERS: site.other.staff, _NEEDED: site.other.resource}
    return Good(body=_offer(site), headers=keyed(), person=site.mine.owner, others=others)


@good("GET", "/v1/services/{service_id}")
@good("DELETE", "/v1/services/{service_id}")
def _service(site: Site) -> Good:
    others = {"service_id": site.other.service}
    return Good({"service_id": site.mine.new_service()}, person=site.mine.owner, others=others)


@good("PUT", "/v1/services/{service_id}")
def _replace_service(site: Site) -> Good:
    others = {"service_id": site.other.service, _OFFERS: site.other.staff, _NEEDED: site.other.resource}
    values = {"service_id": site.mine.new_service()}
    return Good(values, body=_offer(site), headers=ANY, person=site.mine.owner, others=others)


@good("PUT", "/v1/reminder-policy")
def _policy(site: Site) -> Good:
    together = (({"rules": [_RULE, _RULE]}, "/rules"),)
    return Good(body={"rules": [_RULE]}, headers=ANY, person=site.mine.owner, together=together)
