"""The routing table: which service, which access, and what falls through."""

import pytest
from fastapi.routing import APIRoute

import analytics.routes
import auth.routes
import billing.routes
import booking.routes
import business.routes
import notification.routes
import notification.webhooks.routes
from contracts.model import RESERVED_SLUGS
from gateway.routing import RULES, UPSTREAMS, Access, route

SERVED = {
    "auth": auth.routes.ROUTERS,
    "business": business.routes.ROUTERS,
    "booking": booking.routes.ROUTERS,
    "billing": billing.routes.ROUTERS,
    "analytics": analytics.routes.ROUTERS,
    "notification": (*notification.routes.ROUTERS, notification.webhooks.routes.router),
}
"""What each service answers to; web has all the rest."""


@pytest.mark.parametrize(
    ("method", "path", "upstream", "access"),
    [
        ("GET", "/v1/public/riverside", "business", Access.PUBLIC),
        ("GET", "/v1/public/riverside/availability", "booking", Access.PUBLIC),
        ("POST", "/v1/public/riverside/holds", "booking", Access.PUBLIC),
        ("DELETE", "/v1/public/riverside/holds/0190", "booking", Access.PUBLIC),
        ("POST", "/v1/public/riverside/appointments", "booking", Access.PUBLIC),
        ("DELETE", "/v1/public/appointments/abc.def", "booking", Access.PUBLIC),
        ("GET", "/v1/public/appointments/abc.def.ics", "booking", Access.PUBLIC),
        ("GET", "/v1/public/feeds/abc.ics", "booking", Access.PUBLIC),
        ("POST", "/v1/sessions", "auth", Access.SIGN_IN),
        ("POST", "/v1/sessions/refresh", "auth", Access.PUBLIC),
        ("DELETE", "/v1/sessions/0190", "auth", Access.TOKEN),
        ("POST", "/v1/passwords/reset", "auth", Access.SIGN_IN),
        ("POST", "/v1/signups", "auth", Access.SIGN_IN),
        ("GET", "/v1/signups/0190", "auth", Access.PUBLIC),
        ("GET", "/v1/me", "auth", Access.TOKEN),
        ("GET", "/v1/members", "auth", Access.TOKEN),
        ("DELETE", "/v1/members/0190", "auth", Access.TOKEN),
        ("GET", "/v1/staff", "business", Access.TOKEN),
        ("PUT", "/v1/staff/0190/exceptions/2030-01-01", "business", Access.TOKEN),
        ("GET", "/v1/appointments", "booking", Access.TOKEN),
        ("GET", "/v1/public/waitlist/abc.def", "booking", Access.PUBLIC),
        ("POST", "/v1/public/waitlist/abc.def/accept", "booking", Access.PUBLIC),
        ("POST", "/v1/public/riverside/waitlist", "booking", Access.PUBLIC),
        ("POST", "/v1/series/0190/cancel", "booking", Access.TOKEN),
        ("GET", "/v1/waitlist", "booking", Access.TOKEN),
        ("GET", "/v1/customers/0190", "booking", Access.TOKEN),
        ("GET", "/v1/customers/export.csv", "booking", Access.TOKEN),
        ("POST", "/v1/staff-feeds/0190", "booking", Access.TOKEN),
        ("PUT", "/v1/busy-calendars/0190", "booking", Access.TOKEN),
        ("GET", "/v1/audit", "booking", Access.TOKEN),
        ("GET", "/v1/business/audit", "business", Access.TOKEN),
        ("GET", "/v1/billing/invoices", "billing", Access.TOKEN),
        ("GET", "/v1/usage", "billing", Access.TOKEN),
        ("GET", "/v1/analytics/daily", "analytics", Access.TOKEN),
        ("GET", "/v1/messages", "notification", Access.TOKEN),
        ("GET", "/v1/messages/audit", "notification", Access.TOKEN),
        ("PUT", "/v1/message-templates/reminder/sms/en", "notification", Access.TOKEN),
        ("POST", "/v1/message-templates/reminder/sms/en/preview", "notification", Access.TOKEN),
        ("GET", "/v1/quiet-hours", "notification", Access.TOKEN),
        ("DELETE", "/v1/suppressions/0190", "notification", Access.TOKEN),
        ("PUT", "/v1/unsubscriptions/abc", "notification", Access.PUBLIC),
        ("POST", "/unsubscribe/abc", "notification", Access.MACHINE),
        ("GET", "/unsubscribe/abc", "web", Access.PAGE),
        ("POST", "/unsubscribe/abc/choice", "web", Access.PAGE),
        ("POST", "/webhooks/stripe", "billing", Access.MACHINE),
        ("GET", "/.well-known/jwks.json", "auth", Access.PUBLIC),
        ("GET", "/", "web", Access.PAGE),
        ("GET", "/b/riverside", "web", Access.PAGE),
        ("POST", "/appointments/abc.def", "web", Access.PAGE),
        ("GET", "/v1x", "web", Access.PAGE),
        ("GET", "/static/style.css", "web", Access.PAGE),
    ],
)
def test_each_path_has_its_service(method: str, path: str, upstream: str, access: Access) -> None:
    routed = route(method, path)
    assert routed is not None
    assert (routed.rule.upstream, routed.rule.access) == (upstream, access)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v1/unknown"),
        ("GET", "/v1/staffs"),
        ("GET", "/v1/public"),
        ("GET", "/v1//staff"),
        ("GET", "/webhooks/stripe"),
        ("POST", "/webhooks/other"),
        ("GET", "/.well-known/secrets"),
        ("GET", "/v1/internal\n/v1/staff"),
        ("GET", "/metrics"),
        ("GET", "/metrics/"),
        ("GET", "/readyz/"),
        ("GET", "/healthz/"),
    ],
)
def test_what_is_not_in_the_table_goes_nowhere(method: str, path: str) -> None:
    assert route(method, path) is None


def test_no_business_has_the_name_of_a_path_of_the_platforms() -> None:
    own = {rule.path.split("/")[3] for rule in RULES if rule.path.startswith("/v1/public/")} - {"{slug}"}
    assert own == RESERVED_SLUGS


def test_a_public_path_names_its_business() -> None:
    for path in ("/v1/public/riverside", "/v1/public/riverside/availability"):
        routed = route("GET", path)
        assert routed is not None
        assert routed.slug == "riverside"
    for path in ("/v1/public/appointments/abc", "/v1/public/waitlist/abc"):
        by_link = route("GET", path)
        assert by_link is not None
        assert by_link.slug is None


def test_every_rule_leads_to_a_known_service() -> None:
    assert {rule.upstream for rule in RULES} <= set(UPSTREAMS)


def test_every_rule_is_of_something_that_its_service_serves() -> None:
    used = set()
    for upstream, routers in SERVED.items():
        for served in (each for router in routers for each in router.routes):
            assert isinstance(served, APIRoute)
            for method in served.methods or ():
                routed = route(method, served.path)
                assert routed is not None, (method, served.path)
                assert routed.rule.upstream == upstream, (method, served.path)
                used.add(routed.rule)
    assert [rule.path for rule in RULES if rule not in used] == []
