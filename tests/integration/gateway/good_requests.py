"""A request that is granted, for every operation of the platform: what wrong ones are made of.

Used by test_bad_input.py. Each function fills in a whole body, since a fault can only be tried where a field is.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from integration.auth.world import PASSWORD, new_email, wish
from integration.gateway.bad_input import Good
from integration.gateway.platform import WEBHOOK_SECRET
from integration.gateway.sites import ALL_DAY, Site
from servicekit.ids import new_id

_ANY = {"If-Match": "*"}
_CLOSED = (409,)
"""The one answer that a confirmed appointment to come, or a business billed by hand, has for it."""


_BACKWARDS = [{"opens": "12:00", "closes": "09:00"}]
_OVERLAPPING = [
    {"weekday": 0, "opens": "09:00", "closes": "12:00"},
    {"weekday": 0, "opens": "11:00", "closes": "13:00"},
]
_HOURS_TOGETHER = ({"weekly_hours": _OVERLAPPING}, "/weekly_hours")
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
_plain("/v1/customers", "/v1/billing/subscription", "/v1/billing/invoices")
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
    """There is nothing to take: what it answers is no fault of the request's."""
    return Good({"token": site.mine.place()["token"]}, headers=_keyed(), granted=_CLOSED)


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
    }


_OFFERS = "staff_ids"


@_good("POST", "/v1/services")
def _new_service(site: Site) -> Good:
    others = {_OFFERS: site.other.staff}
    return Good(body=_offer(site), headers=_keyed(), person=site.mine.owner, others=others)


@_good("GET", "/v1/services/{service_id}")
@_good("DELETE", "/v1/services/{service_id}")
def _service(site: Site) -> Good:
    others = {"service_id": site.other.service}
    return Good({"service_id": site.mine.new_service()}, person=site.mine.owner, others=others)


@_good("PUT", "/v1/services/{service_id}")
def _replace_service(site: Site) -> Good:
    others = {"service_id": site.other.service, _OFFERS: site.other.staff}
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
    others = {"staff": site.other.staff, "series": site.other.series()}
    query |= {"staff": site.mine.staff, "series": site.mine.series()}
    return Good(query=query, person=site.mine.owner, others=others)


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
    body = {"starts_at": site.mine.slots.pop(), "staff_id": site.mine.staff}
    return _appointment(site, body=body, headers=_ANY)


@_good("POST", "/v1/appointments/{appointment_id}/complete")
@_good("POST", "/v1/appointments/{appointment_id}/no-show")
def _settle(site: Site) -> Good:
    return _appointment(site, granted=_CLOSED)


@_good("GET", "/v1/customers/{customer_id}")
def _customer(site: Site) -> Good:
    others = {"customer_id": site.other.customer()}
    return Good({"customer_id": site.mine.customer()}, person=site.mine.owner, others=others)


@_good("GET", "/v1/messages")
def _messages(site: Site) -> Good:
    query = {"status": "sent", "channel": "email", "appointment_id": site.mine.appointment()["id"]}
    others = {"appointment_id": site.other.appointment()["id"]}
    return Good(query=query, person=site.mine.owner, others=others)


@_good("GET", "/v1/messages/{message_id}")
def _message(site: Site) -> Good:
    others = {"message_id": site.other.message()}
    return Good({"message_id": site.mine.message()}, person=site.mine.owner, others=others)


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
