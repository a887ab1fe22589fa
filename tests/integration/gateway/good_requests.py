"""A request that is granted, for every operation of the platform: what wrong ones are made of.

Used by test_bad_input.py. Each function fills in a whole body, since a fault can only be tried where a field is.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from contracts.booking import Channel
from integration.auth.world import PASSWORD, new_email, wish
from integration.gateway.bad_input import Good
from integration.gateway.platform import LINK_KEY, WEBHOOK_SECRET
from integration.gateway.sites import ALL_DAY, Business, Site
from servicekit.ids import new_id
from servicekit.links import Subscription, UnsubscribeLinks

_ANY = {"If-Match": "*"}
_CLOSED = (409,)
"""The one answer that a confirmed appointment to come, or a business billed by hand, has for it."""


_BACKWARDS = [{"opens": "12:00", "closes": "09:00"}]
_OVERLAPPING = [
    {"weekday": 0, "opens": "09:00", "closes": "12:00"},
    {"weekday": 0, "opens": "11:00", "closes": "13:00"},
]
_HOURS_TOGETHER = ({"weekly_hours": _OVERLAPPING}, "/weekly_hours")
_WORDS = {"subject": "{{ when }}", "lead": "See you.", "text": None}
_RULE = {"offset_seconds": 7200, "channel": "email"}


def _keyed() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(16)}


_GOODS: dict[tuple[str, str], Callable[[Site], Good]] = {}


def goods(site: Site) -> dict[tuple[str, str], Good]:
    """The request for each method and path, ready to be sent once."""
    return {operation: make(site) for operation, make in _GOODS.items()}


def _good(method: str, path: str) -> Callable[[Callable[[Site], Good]], Callable[[Site], Good]]:
    def register(make: Callable[[Site], Good]) -> Callable[[Site], Good]:
        _GOODS[method, path] = make
        return make

    return register


def _plain(*paths: str, **query: str) -> None:
    """GETs of the owner's that need nothing but a query."""
    for path in paths:
        _GOODS["GET", path] = lambda site: Good(query=query, person=site.mine.owner)


_plain("/v1/me", "/v1/invitations", "/v1/business", "/v1/staff", "/v1/services", "/v1/reminder-policy")
_plain("/v1/resources", "/v1/business/holidays", "/v1/quiet-hours")
_plain("/v1/customers", "/v1/customers/export.csv", "/v1/billing/subscription", "/v1/billing/invoices")
_plain("/v1/usage", month="2026-03")
_plain("/.well-known/jwks.json", "/.well-known/openid-configuration")


# anyone


@_good("GET", "/v1/public/{slug}")
def _public(site: Site) -> Good:
    return Good({"slug": site.mine.tenant.slug})


@_good("GET", "/v1/public/{slug}/availability")
def _availability(site: Site) -> Good:
    day = str(datetime.now(UTC).date() + timedelta(days=1))
    query = {"service": site.mine.service, "staff": site.mine.staff, "from": day, "to": day}
    return Good(
        {"slug": site.mine.tenant.slug},
        query | {"timezone": "Europe/Lisbon"},
        others={"service": site.other.service, "staff": site.other.staff},
        together=(
            ({"from": "2031-01-02", "to": "2031-01-01"}, "?to"),
            ({"from": "2031-01-01", "to": "2031-12-31"}, "?to"),
            ({"from": "2099-01-01", "to": "2099-01-02"}, "?from"),
        ),
    )


@_good("GET", "/v1/analytics/daily")
def _daily(site: Site) -> Good:
    backwards = {"from": "2026-03-02", "to": "2026-03-01"}
    query = {"from": "2026-03-01", "to": "2026-03-02"}
    return Good(query=query, person=site.mine.owner, together=((backwards, "?from"),))


@_good("POST", "/v1/public/{slug}/holds")
def _hold(site: Site) -> Good:
    mine = site.mine
    body = {"service_id": mine.service, "staff_id": mine.staff, "starts_at": mine.slots.pop()}
    return Good({"slug": mine.tenant.slug}, body=body, headers=_keyed(), others=_of_another(site))


@_good("POST", "/v1/public/{slug}/appointments")
def _book(site: Site) -> Good:
    held = site.mine.hold()
    body = site.mine.booking(hold_id=held["id"], starts_at=held["starts_at"])
    others = _of_another(site) | {"hold_id": site.other.hold()["id"]}
    slug = {"slug": site.mine.tenant.slug}
    return Good(slug, body=body, headers=_keyed(), others=others, together=_no_number(body))


def _no_number(body: dict[str, Any]) -> tuple[tuple[dict[str, Any], str], ...]:
    """Text messages wanted, and no number for them."""
    change = {"consent": {"email": True, "sms": True}, "customer": body["customer"] | {"phone": None}}
    return ((change, "/customer/phone"),)


def _of_another(site: Site) -> dict[str, str]:
    return {"service_id": site.other.service, "staff_id": site.other.staff}


@_good("GET", "/v1/public/appointments/{token}")
@_good("GET", "/v1/public/appointments/{token}.ics")
@_good("DELETE", "/v1/public/appointments/{token}")
def _linked(site: Site) -> Good:
    return Good({"token": site.mine.appointment()["token"]})


@_good("PATCH", "/v1/public/appointments/{token}")
def _move_by_link(site: Site) -> Good:
    body = {"starts_at": site.mine.slots.pop(), "staff_id": site.mine.staff}
    return Good({"token": site.mine.appointment()["token"]}, body=body, others=_of_another(site))


@_good("POST", "/v1/public/{slug}/waitlist")
def _wait(site: Site) -> Good:
    body = site.mine.waiting()
    told_nothing = ({"consent": {"email": False, "sms": False}}, "/consent/email")
    return Good(
        {"slug": site.mine.tenant.slug},
        body=body,
        headers=_keyed(),
        others=_of_another(site),
        together=(*_no_number(body), told_nothing),
    )


@_good("GET", "/v1/public/waitlist/{token}")
@_good("DELETE", "/v1/public/waitlist/{token}")
def _place(site: Site) -> Good:
    return Good({"token": site.mine.place()["token"]})


@_good("POST", "/v1/public/waitlist/{token}/accept")
def _take(site: Site) -> Good:
    body = {"answers": [{"question_id": site.mine.question, "answer": "No"}]}
    return Good({"token": site.mine.offered_place()["token"]}, body=body, headers=_keyed())


# sign-in


@_good("POST", "/v1/signups")
def _sign_up(site: Site) -> Good:
    return Good(body=wish(), headers=_keyed())


@_good("GET", "/v1/signups/{signup_id}")
def _signup(site: Site) -> Good:
    asked = site.platform.call("POST", "/v1/signups", json=wish(), headers=_keyed())
    return Good({"signup_id": asked.json()["id"]})


@_good("POST", "/v1/sessions")
def _sign_in(site: Site) -> Good:
    mine = site.mine
    return Good(
        body={"email": mine.owner.email, "password": PASSWORD, "business": mine.tenant.slug},
        together=(
            ({"password": None}, "/password"),
            ({"email": None}, "/email"),
            ({"email": None, "password": None, "business": None}, "/email"),
        ),
    )


@_good("POST", "/v1/sessions/refresh")
def _refresh(site: Site) -> Good:
    person = site.platform.auth.sign_in(site.mine.owner.email)
    return Good(body={"refresh_token": person.session["refresh_token"]})


@_good("DELETE", "/v1/sessions/{session_id}")
def _sign_out(site: Site) -> Good:
    person = site.platform.auth.sign_in(site.mine.owner.email)
    others = {"session_id": site.other.owner.session["session_id"]}
    return Good({"session_id": person.session["session_id"]}, person=site.mine.owner, others=others)


@_good("POST", "/v1/invitations")
def _invite(site: Site) -> Good:
    body = {"email": new_email(), "name": "Bo", "role": "staff"}
    return Good(body=body, headers=_keyed(), person=site.mine.owner)


@_good("DELETE", "/v1/invitations/{invitation_id}")
def _withdraw(site: Site) -> Good:
    others = {"invitation_id": site.other.invitation()}
    return Good({"invitation_id": site.mine.invitation()}, person=site.mine.owner, others=others)


@_good("POST", "/v1/passwords/reset-requests")
def _ask_for_a_link(_site: Site) -> Good:
    return Good(body={"email": new_email()})


@_good("POST", "/v1/passwords/reset")
def _set_password(site: Site) -> Good:
    email = new_email()
    invited = {"email": email, "name": "Bo", "role": "staff"}
    site.platform.create("/v1/invitations", invited, site.mine.owner)
    return Good(body={"token": site.platform.auth.links(email)[-1], "password": PASSWORD})


# business


@_good("PATCH", "/v1/business")
def _profile(site: Site) -> Good:
    body = {
        "description": "Cuts and shaves",
        "contact_email": "hello@riverside.example",
        "contact_phone": "+351912345678",
        "address": "1 River Street",
    }
    return Good(body=body, headers=_ANY, person=site.mine.owner)


_MEMBER = {"name": "Ada", "email": "ada@riverside.example", "timezone": "Europe/Lisbon"}


@_good("POST", "/v1/staff")
def _new_staff(site: Site) -> Good:
    return Good(
        body=_MEMBER | {"weekly_hours": ALL_DAY},
        headers=_keyed(),
        person=site.mine.owner,
        together=(_HOURS_TOGETHER,),
    )


def _member(site: Site, **more: Any) -> Good:
    """About a staff member whom nothing else here needs."""
    values = {"staff_id": site.mine.new_staff()} | more.pop("values", {})
    return Good(values, person=site.mine.owner, others={"staff_id": site.other.staff}, **more)


@_good("GET", "/v1/staff/{staff_id}")
@_good("DELETE", "/v1/staff/{staff_id}")
@_good("GET", "/v1/staff/{staff_id}/hours")
@_good("GET", "/v1/staff/{staff_id}/exceptions")
def _staff(site: Site) -> Good:
    return _member(site)


@_good("PATCH", "/v1/staff/{staff_id}")
def _edit_staff(site: Site) -> Good:
    return _member(site, body=_MEMBER, headers=_ANY)


@_good("PUT", "/v1/staff/{staff_id}/hours")
def _hours(site: Site) -> Good:
    return _member(site, body={"weekly_hours": ALL_DAY}, headers=_ANY, together=(_HOURS_TOGETHER,))


@_good("PUT", "/v1/staff/{staff_id}/exceptions/{day}")
def _exception(site: Site) -> Good:
    body = {"intervals": [{"opens": "09:00", "closes": "12:00"}]}
    together = (({"intervals": _BACKWARDS}, "/intervals"),)
    return _member(site, values={"day": "2098-12-24"}, body=body, together=together)


@_good("DELETE", "/v1/staff/{staff_id}/exceptions/{day}")
def _no_exception(site: Site) -> Good:
    return _member(site, values={"day": "2098-12-24"})


@_good("GET", "/v1/staff/{staff_id}/time-off")
def _time_off(site: Site) -> Good:
    return _member(site)


@_good("POST", "/v1/staff/{staff_id}/time-off")
def _new_time_off(site: Site) -> Good:
    body = {"starts_at": "2098-08-01T00:00:00Z", "ends_at": "2098-08-15T00:00:00Z"}
    together = ((body | {"ends_at": body["starts_at"]}, "/ends_at"),)
    return _member(site, body=body, headers=_keyed(), together=together)


@_good("DELETE", "/v1/staff/{staff_id}/time-off/{time_off_id}")
def _no_time_off(site: Site) -> Good:
    staff_id = site.mine.new_staff()
    values = {"staff_id": staff_id, "time_off_id": site.mine.new_time_off(staff_id)}
    others = {"staff_id": site.other.staff, "time_off_id": site.other.new_time_off(site.other.staff)}
    return Good(values, person=site.mine.owner, others=others)


_XMAS = {"date": "2098-12-25", "name": "Christmas"}


@_good("PUT", "/v1/business/holidays")
def _holidays(site: Site) -> Good:
    together = (({"days": [_XMAS, _XMAS]}, "/days"),)
    return Good(body={"days": [_XMAS]}, headers=_ANY, person=site.mine.owner, together=together)


@_good("POST", "/v1/business/holidays/import")
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


@_good("POST", "/v1/resources")
def _new_resource(site: Site) -> Good:
    together = (_HOURS_TOGETHER, _TWICE)
    return Good(body=_RESOURCE, headers=_keyed(), person=site.mine.owner, together=together)


def _resource(site: Site, **more: Any) -> Good:
    """About one that nothing else here needs."""
    others = {"resource_id": site.other.resource}
    return Good({"resource_id": site.mine.new_resource()}, person=site.mine.owner, others=others, **more)


@_good("GET", "/v1/resources/{resource_id}")
@_good("DELETE", "/v1/resources/{resource_id}")
def _one_resource(site: Site) -> Good:
    return _resource(site)


@_good("PATCH", "/v1/resources/{resource_id}")
def _edit_resource(site: Site) -> Good:
    return _resource(site, body=_RESOURCE, headers=_ANY, together=(_HOURS_TOGETHER, _TWICE))


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


@_good("POST", "/v1/services")
def _new_service(site: Site) -> Good:
    others = {_OFFERS: site.other.staff, _NEEDED: site.other.resource}
    return Good(body=_offer(site), headers=_keyed(), person=site.mine.owner, others=others)


@_good("GET", "/v1/services/{service_id}")
@_good("DELETE", "/v1/services/{service_id}")
def _service(site: Site) -> Good:
    others = {"service_id": site.other.service}
    return Good({"service_id": site.mine.new_service()}, person=site.mine.owner, others=others)


@_good("PUT", "/v1/services/{service_id}")
def _replace_service(site: Site) -> Good:
    others = {"service_id": site.other.service, _OFFERS: site.other.staff, _NEEDED: site.other.resource}
    values = {"service_id": site.mine.new_service()}
    return Good(values, body=_offer(site), headers=_ANY, person=site.mine.owner, others=others)


@_good("PUT", "/v1/reminder-policy")
def _policy(site: Site) -> Good:
    together = (({"rules": [_RULE, _RULE]}, "/rules"),)
    return Good(body={"rules": [_RULE]}, headers=_ANY, person=site.mine.owner, together=together)


# its day


@_good("GET", "/v1/appointments")
def _appointments(site: Site) -> Good:
    query = {"from": "2026-03-01T00:00:00Z", "to": "2099-03-01T00:00:00+01:00", "status": "confirmed"}
    others = {"staff": site.other.staff, "customer": site.other.customer(), "series": site.other.series()}
    mine = {"staff": site.mine.staff, "customer": site.mine.customer(), "series": site.mine.series()}
    return Good(query=query | mine, person=site.mine.owner, others=others)


@_good("GET", "/v1/appointments/export.csv")
def _export(site: Site) -> Good:
    query = {"from": "2026-03-01T00:00:00Z", "to": "2027-03-01T00:00:00+01:00"}
    backwards = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    return Good(query=query, person=site.mine.owner, together=((backwards, "?to"),))


@_good("POST", "/v1/series")
def _recur(site: Site) -> Good:
    rule = {"every": "week", "interval": 2, "count": 2, "until": None}
    body = site.mine.booking(notes="Every other week", rule=rule, on_conflict="skip")
    ends = ({"rule": rule | {"until": "2031-01-01"}}, {"rule": rule | {"count": None}})
    return Good(
        body=body,
        headers=_keyed(),
        person=site.mine.owner,
        others=_of_another(site),
        together=(*_no_number(body), *((change, "/rule/count") for change in ends)),
    )


@_good("POST", "/v1/series/{series_id}/cancel")
def _cancel_rest(site: Site) -> Good:
    begin = (datetime.now(UTC) + timedelta(days=5)).isoformat()
    others = {"series_id": site.other.series()}
    return Good(
        {"series_id": site.mine.series()}, body={"from": begin}, person=site.mine.owner, others=others
    )


@_good("GET", "/v1/waitlist")
def _waitlist(site: Site) -> Good:
    query = {"state": "waiting", "service": site.mine.service}
    return Good(query=query, person=site.mine.owner, others={"service": site.other.service})


def _entry(site: Site, **more: Any) -> Good:
    others = _of_another(site) | {"entry_id": site.other.place()["id"]}
    return Good({"entry_id": site.mine.place()["id"]}, person=site.mine.owner, others=others, **more)


@_good("DELETE", "/v1/waitlist/{entry_id}")
def _remove_entry(site: Site) -> Good:
    return _entry(site)


@_good("POST", "/v1/waitlist/{entry_id}/offer")
def _offer_by_hand(site: Site) -> Good:
    body = {"starts_at": site.mine.slots.pop(), "staff_id": site.mine.staff}
    return _entry(site, body=body, headers=_keyed())


@_good("POST", "/v1/appointments")
def _book_by_staff(site: Site) -> Good:
    body = site.mine.booking(notes="By telephone")
    return Good(
        body=body,
        headers=_keyed(),
        person=site.mine.owner,
        others=_of_another(site),
        together=_no_number(body),
    )


def _appointment(site: Site, **more: Any) -> Good:
    others = _of_another(site) | {"appointment_id": site.other.appointment()["id"]}
    values = {"appointment_id": site.mine.appointment()["id"]}
    return Good(values, person=site.mine.owner, others=others, **more)


@_good("GET", "/v1/appointments/{appointment_id}")
@_good("POST", "/v1/appointments/{appointment_id}/cancel")
@_good("POST", "/v1/appointments/{appointment_id}/confirm")
def _one_appointment(site: Site) -> Good:
    return _appointment(site)


@_good("PATCH", "/v1/appointments/{appointment_id}")
def _move(site: Site) -> Good:
    body = {"starts_at": site.mine.slots.pop(), "staff_id": site.mine.staff, "notes": "With colour"}
    return _appointment(site, body=body, headers=_ANY)


@_good("POST", "/v1/appointments/{appointment_id}/complete")
@_good("POST", "/v1/appointments/{appointment_id}/no-show")
def _settle(site: Site) -> Good:
    return _appointment(site, granted=_CLOSED)


@_good("GET", "/v1/customers/{customer_id}")
def _customer(site: Site) -> Good:
    others = {"customer_id": site.other.customer()}
    return Good({"customer_id": site.mine.customer()}, person=site.mine.owner, others=others)


@_good("PATCH", "/v1/customers/{customer_id}")
def _edit_customer(site: Site) -> Good:
    body = {
        "name": "Bea B.",
        "email": "bea.b@customer.example",
        "phone": "+351912345679",
        "locale": "pt",
        "consent": {"email": True, "sms": True},
        "notes": "Left-handed",
    }
    return replace(_customer(site), body=body, headers=_ANY)


@_good("DELETE", "/v1/customers/{customer_id}")
def _erase_customer(site: Site) -> Good:
    """Who is expected cannot be erased."""
    return replace(_customer(site), granted=_CLOSED)


@_good("POST", "/v1/staff-feeds/{staff_id}")
@_good("DELETE", "/v1/staff-feeds/{staff_id}")
def _feed_of_staff(site: Site) -> Good:
    others = {"staff_id": site.other.feed()["staff_id"]}
    return Good({"staff_id": site.mine.feed()["staff_id"]}, person=site.mine.owner, others=others)


@_good("GET", "/v1/public/feeds/{token}.ics")
def _feed(site: Site) -> Good:
    return Good({"token": site.mine.feed()["token"]})


@_good("GET", "/v1/busy-calendars/{staff_id}")
@_good("DELETE", "/v1/busy-calendars/{staff_id}")
def _busy_calendar(site: Site) -> Good:
    others = {"staff_id": site.other.busy_calendar()["staff_id"]}
    return Good(site.mine.busy_calendar(), person=site.mine.owner, others=others)


@_good("PUT", "/v1/busy-calendars/{staff_id}")
def _import_calendar(site: Site) -> Good:
    return replace(_busy_calendar(site), body={"url": "https://calendar.invalid/bo.ics"})


@_good("GET", "/v1/audit")
@_good("GET", "/v1/business/audit")
@_good("GET", "/v1/messages/audit")
def _audit(site: Site) -> Good:
    query = {"entity": site.mine.staff, "from": "2026-03-01T00:00:00Z", "to": "2099-03-01T00:00:00+01:00"}
    return Good(query=query, person=site.mine.owner, others={"entity": site.other.staff})


@_good("GET", "/v1/messages")
def _messages(site: Site) -> Good:
    query = {"status": "sent", "channel": "email", "appointment_id": site.mine.appointment()["id"]}
    others = {"appointment_id": site.other.appointment()["id"]}
    return Good(query=query, person=site.mine.owner, others=others)


@_good("GET", "/v1/messages/{message_id}")
def _message(site: Site) -> Good:
    others = {"message_id": site.other.message()}
    return Good({"message_id": site.mine.message()}, person=site.mine.owner, others=others)


def _template(site: Site, **more: Any) -> Good:
    """Laid down before, so that an edit of what never was is one of an old version."""
    path = {"kind": "reminder", "channel": "email", "language": "pt"}
    url = "/v1/message-templates/reminder/email/pt"
    site.platform.call("PUT", url, site.mine.owner, json={"lead": "{{ name }}"}, headers=_ANY)
    return Good(path, person=site.mine.owner, **more)


@_good("GET", "/v1/message-templates/{kind}/{channel}/{language}")
def _read_template(site: Site) -> Good:
    return _template(site)


@_good("PUT", "/v1/message-templates/{kind}/{channel}/{language}")
def _replace_template(site: Site) -> Good:
    together = (
        ({"lead": "{{ nmae }}"}, "/lead"),
        ({"subject": "{% for x in name %}{% endfor %}"}, "/subject"),
        ({"subject": "two\nlines"}, "/subject"),
        ({"text": "of a text message"}, "/text"),
        ({"subject": None, "lead": None}, "/subject"),
    )
    return _template(site, body=_WORDS, headers=_ANY, together=together)


@_good("DELETE", "/v1/message-templates/{kind}/{channel}/{language}")
def _drop_template(site: Site) -> Good:
    return _template(site, headers=_ANY)


@_good("POST", "/v1/message-templates/{kind}/{channel}/{language}/preview")
def _preview(site: Site) -> Good:
    return _template(site, body=_WORDS, together=(({"lead": "{{ nmae }}"}, "/lead"),))


@_good("PUT", "/v1/quiet-hours")
def _quiet_hours(site: Site) -> Good:
    body = {"from": "22:00", "to": "08:00", "channels": ["sms"], "notices": False}
    site.platform.call("PUT", "/v1/quiet-hours", site.mine.owner, json=body, headers=_ANY)
    together = (({"to": "22:00"}, "/to"), ({"channels": ["sms", "sms"]}, "/channels"))
    return Good(body=body, headers=_ANY, person=site.mine.owner, together=together)


def _suppressed(site: Site, business: Business) -> str:
    body = {"channel": "email", "address": f"{secrets.token_hex(4)}@customer.example"}
    return str(site.platform.create("/v1/suppressions", body, business.owner)["id"])


@_good("GET", "/v1/suppressions")
def _suppressions(site: Site) -> Good:
    return Good(query={"channel": "email", "reason": "by-hand"}, person=site.mine.owner)


@_good("POST", "/v1/suppressions")
def _suppress(site: Site) -> Good:
    body = {"channel": "email", "address": "gone@customer.example", "reason": "by-hand", "scope": "all"}
    together = (({"address": "+351912345678"}, "/address"), ({"channel": "sms"}, "/address"))
    return Good(body=body, headers=_keyed(), person=site.mine.owner, together=together)


@_good("DELETE", "/v1/suppressions/{suppression_id}")
def _unsuppress(site: Site) -> Good:
    values = {"suppression_id": _suppressed(site, site.mine)}
    return Good(values, person=site.mine.owner, others={"suppression_id": _suppressed(site, site.other)})


def _subscription(site: Site) -> dict[str, str]:
    of = Subscription(site.mine.tenant.tenant_id, new_id(), Channel.EMAIL, secrets.token_bytes(16))
    return {"token": UnsubscribeLinks(SecretStr(LINK_KEY)).token(of)}


@_good("GET", "/v1/unsubscriptions/{token}")
@_good("DELETE", "/v1/unsubscriptions/{token}")
def _by_unsubscribe_link(site: Site) -> Good:
    return Good(_subscription(site))


@_good("PUT", "/v1/unsubscriptions/{token}")
def _unsubscribe(site: Site) -> Good:
    return Good(_subscription(site), body={"unsubscribed": "reminders"})


# its webhooks

_HOOKS = "/v1/webhook-endpoints"
_plain(_HOOKS)


def _hook() -> dict[str, Any]:
    return {"url": "http://127.0.0.1:9/hooks", "events": ["message.failed"], "description": "CRM"}


@_good("POST", _HOOKS)
def _new_endpoint(site: Site) -> Good:
    others = (({"events": ["*", "message.failed"]}, "/events"), ({"url": "https://10.0.0.1/"}, "/url"))
    return Good(body=_hook(), headers=_keyed(), person=site.mine.owner, together=others)


def _endpoint(site: Site, **more: Any) -> Good:
    values = {"endpoint_id": site.mine.endpoint()} | more.pop("values", {})
    others = {"endpoint_id": site.other.endpoint()} | more.pop("others", {})
    return Good(values, person=site.mine.owner, others=others, **more)


@_good("GET", f"{_HOOKS}/{{endpoint_id}}")
@_good("DELETE", f"{_HOOKS}/{{endpoint_id}}")
@_good("POST", f"{_HOOKS}/{{endpoint_id}}/rotate-secret")
def _an_endpoint(site: Site) -> Good:
    return _endpoint(site)


@_good("PATCH", f"{_HOOKS}/{{endpoint_id}}")
def _edit_endpoint(site: Site) -> Good:
    return _endpoint(site, body=_hook() | {"enabled": True}, headers=_ANY)


@_good("POST", f"{_HOOKS}/{{endpoint_id}}/test")
def _test_endpoint(site: Site) -> Good:
    return _endpoint(site, headers=_keyed())


@_good("GET", f"{_HOOKS}/{{endpoint_id}}/deliveries")
def _deliveries(site: Site) -> Good:
    return _endpoint(site, query={"status": "failed", "type": "webhook.test"})


@_good("GET", f"{_HOOKS}/{{endpoint_id}}/deliveries/{{delivery_id}}")
@_good("POST", f"{_HOOKS}/{{endpoint_id}}/deliveries/{{delivery_id}}/resend")
def _delivery(site: Site) -> Good:
    mine, other = site.mine.endpoint(), site.other.endpoint()
    values = {"endpoint_id": mine, "delivery_id": site.mine.delivery(mine)}
    others = {"endpoint_id": other, "delivery_id": site.other.delivery(other)}
    return Good(values, person=site.mine.owner, others=others)


# its money, and machines


@_good("POST", "/v1/billing/checkout-sessions")
@_good("POST", "/v1/billing/portal-sessions")
def _pages_at_stripe(site: Site) -> Good:
    body = {"return_path": "/dashboard"}
    return Good(body=body, headers=_keyed(), person=site.mine.owner, granted=_CLOSED)


@_good("POST", "/webhooks/stripe")
def _webhook(_site: Site) -> Good:
    event = {"id": f"evt_{new_id().hex}", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}

    def sign(body: bytes) -> dict[str, str]:
        at = int(time.time())
        digest = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={at},v1={digest}"}

    return Good(body=event, sign=sign)
