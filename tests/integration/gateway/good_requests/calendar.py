"""Good requests of a business about its appointments, series, waitlist, customers and calendars."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from integration.gateway.bad_input import Good
from integration.gateway.good_requests.registry import ANY, CLOSED, good, keyed, no_number, of_another, plain
from integration.gateway.sites import Site

plain("/v1/customers", "/v1/customers/export.csv")


@good("GET", "/v1/appointments")
def _appointments(site: Site) -> Good:
    query = {"from": "2026-03-01T00:00:00Z", "to": "2099-03-01T00:00:00+01:00", "status": "confirmed"}
    others = {"staff": site.other.staff, "customer": site.other.customer(), "series": site.other.series()}
    mine = {"staff": site.mine.staff, "customer": site.mine.customer(), "series": site.mine.series()}
    return Good(query=query | mine, person=site.mine.owner, others=others)


@good("GET", "/v1/appointments/export.csv")
def _export(site: Site) -> Good:
    query = {"from": "2026-03-01T00:00:00Z", "to": "2027-03-01T00:00:00+01:00"}
    backwards = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    return Good(query=query, person=site.mine.owner, together=((backwards, "?to"),))


@good("POST", "/v1/series")
def _recur(site: Site) -> Good:
    rule = {"every": "week", "interval": 2, "count": 2, "until": None}
    body = site.mine.booking(notes="Every other week", rule=rule, on_conflict="skip")
    ends = ({"rule": rule | {"until": "2031-01-01"}}, {"rule": rule | {"count": None}})
    return Good(
        body=body,
        headers=keyed(),
        person=site.mine.owner,
        others=of_another(site),
        together=(*no_number(body), *((change, "/rule/count") for change in ends)),
    )


@good("POST", "/v1/series/{series_id}/cancel")
def _cancel_rest(site: Site) -> Good:
    begin = (datetime.now(UTC) + timedelta(days=5)).isoformat()
    others = {"series_id": site.other.series()}
    return Good(
        {"series_id": site.mine.series()}, body={"from": begin}, person=site.mine.owner, others=others
    )


@good("GET", "/v1/waitlist")
def _waitlist(site: Site) -> Good:
    query = {"state": "waiting", "service": site.mine.service}
    return Good(query=query, person=site.mine.owner, others={"service": site.other.service})


def _entry(site: Site, **more: Any) -> Good:
    others = of_another(site) | {"entry_id": site.other.place()["id"]}
    return Good({"entry_id": site.mine.place()["id"]}, person=site.mine.owner, others=others, **more)


@good("GET", "/v1/waitlist/{entry_id}")
@good("DELETE", "/v1/waitlist/{entry_id}")
def _one_entry(site: Site) -> Good:
    return _entry(site)


@good("POST", "/v1/waitlist/{entry_id}/offer")
def _offer_by_hand(site: Site) -> Good:
    body = {"starts_at": site.mine.slots.pop(), "staff_id": site.mine.staff}
    return _entry(site, body=body, headers=keyed())


@good("POST", "/v1/appointments")
def _book_by_staff(site: Site) -> Good:
    body = site.mine.booking(notes="By telephone")
    return Good(
        body=body,
        headers=keyed(),
        person=site.mine.owner,
        others=of_another(site),
        together=no_number(body),
    )


def _appointment(site: Site, **more: Any) -> Good:
    others = of_another(site) | {"appointment_id": site.other.appointment()["id"]}
    values = {"appointment_id": site.mine.appointment()["id"]}
    return Good(values, person=site.mine.owner, others=others, **more)


@good("GET", "/v1/appointments/{appointment_id}")
@good("POST", "/v1/appointments/{appointment_id}/cancel")
@good("POST", "/v1/appointments/{appointment_id}/confirm")
def _one_appointment(site: Site) -> Good:
    return _appointment(site)


@good("PATCH", "/v1/appointments/{appointment_id}")
def _move(site: Site) -> Good:
    body = {"starts_at": site.mine.slots.pop(), "staff_id": site.mine.staff, "notes": "With colour"}
    return _appointment(site, body=body, headers=ANY)


@good("POST", "/v1/appointments/{appointment_id}/complete")
@good("POST", "/v1/appointments/{appointment_id}/no-show")
def _settle(site: Site) -> Good:
    return _appointment(site, granted=CLOSED)


@good("GET", "/v1/customers/{customer_id}")
def _customer(site: Site) -> Good:
    others = {"customer_id": site.other.customer()}
    return Good({"customer_id": site.mine.customer()}, person=site.mine.owner, others=others)


@good("PATCH", "/v1/customers/{customer_id}")
def _edit_customer(site: Site) -> Good:
    body = {
        "name": "Bea B.",
        "email": "bea.b@customer.example",
        "phone": "+351912345679",
        "locale": "pt",
        "consent": {"email": True, "sms": True},
        "notes": "Left-handed",
    }
    return replace(_customer(site), body=body, headers=ANY)


@good("DELETE", "/v1/customers/{customer_id}")
def _erase_customer(site: Site) -> Good:
    """Who is expected cannot be erased."""
    return replace(_customer(site), granted=CLOSED)


@good("POST", "/v1/staff-feeds/{staff_id}")
@good("DELETE", "/v1/staff-feeds/{staff_id}")
def _feed_of_staff(site: Site) -> Good:
    others = {"staff_id": site.other.feed()["staff_id"]}
    return Good({"staff_id": site.mine.feed()["staff_id"]}, person=site.mine.owner, others=others)


@good("GET", "/v1/public/feeds/{token}.ics")
def _feed(site: Site) -> Good:
    return Good({"token": site.mine.feed()["token"]})


@good("GET", "/v1/busy-calendars/{staff_id}")
@good("DELETE", "/v1/busy-calendars/{staff_id}")
def _busy_calendar(site: Site) -> Good:
    others = {"staff_id": site.other.busy_calendar()["staff_id"]}
    return Good(site.mine.busy_calendar(), person=site.mine.owner, others=others)


@good("PUT", "/v1/busy-calendars/{staff_id}")
def _import_calendar(site: Site) -> Good:
    return replace(_busy_calendar(site), body={"url": "https://calendar.invalid/bo.ics"})
