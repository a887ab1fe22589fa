"""What anyone may ask for: free times, a booking, a place on the waitlist, and what a link leads to."""

from datetime import UTC, datetime, timedelta

from integration.gateway.bad_input import Good
from integration.gateway.good_requests.registry import good, keyed, no_number, of_another
from integration.gateway.sites import Site


@good("GET", "/v1/public/{slug}")
def _public(site: Site) -> Good:
    return Good({"slug": site.mine.tenant.slug})


@good("GET", "/v1/public/{slug}/availability")
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


@good("POST", "/v1/public/{slug}/holds")
def _hold(site: Site) -> Good:
    mine = site.mine
    body = {"service_id": mine.service, "staff_id": mine.staff, "starts_at": mine.slots.pop()}
    return Good({"slug": mine.tenant.slug}, body=body, headers=keyed(), others=of_another(site))


@good("DELETE", "/v1/public/{slug}/holds/{hold_id}")
def _give_back(site: Site) -> Good:
    held, others = site.mine.hold()["id"], {"hold_id": site.other.hold()["id"]}
    return Good({"slug": site.mine.tenant.slug, "hold_id": held}, others=others, silent=True)


@good("POST", "/v1/public/{slug}/appointments")
def _book(site: Site) -> Good:
    held = site.mine.hold()
    body = site.mine.booking(hold_id=held["id"], starts_at=held["starts_at"])
    others = of_another(site) | {"hold_id": site.other.hold()["id"]}
    slug = {"slug": site.mine.tenant.slug}
    return Good(slug, body=body, headers=keyed(), others=others, together=no_number(body))


@good("GET", "/v1/public/appointments/{token}")
@good("GET", "/v1/public/appointments/{token}.ics")
@good("DELETE", "/v1/public/appointments/{token}")
def _linked(site: Site) -> Good:
    return Good({"token": site.mine.appointment()["token"]})


@good("PATCH", "/v1/public/appointments/{token}")
def _move_by_link(site: Site) -> Good:
    body = {"starts_at": site.mine.slots.pop(), "staff_id": site.mine.staff}
    return Good({"token": site.mine.appointment()["token"]}, body=body, others=of_another(site))


@good("POST", "/v1/public/{slug}/waitlist")
def _wait(site: Site) -> Good:
    body = site.mine.waiting()
    told_nothing = ({"consent": {"email": False, "sms": False}}, "/consent/email")
    return Good(
        {"slug": site.mine.tenant.slug},
        body=body,
        headers=keyed(),
        others=of_another(site),
        together=(*no_number(body), told_nothing),
    )


@good("GET", "/v1/public/waitlist/{token}")
@good("DELETE", "/v1/public/waitlist/{token}")
def _place(site: Site) -> Good:
    return Good({"token": site.mine.place()["token"]})


@good("POST", "/v1/public/waitlist/{token}/accept")
def _take(site: Site) -> Good:
    body = {"answers": [{"question_id": site.mine.question, "answer": "No"}]}
    return Good({"token": site.mine.offered_place()["token"]}, body=body, headers=keyed())
