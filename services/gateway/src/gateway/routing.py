"""Which path goes to which service, who may use it, and which limit counts it: the gateway's one table.

Read by gateway.frame for each request, and by gateway.openapi, which publishes of a service what is routed to it.
Rules match the decoded path, as the services' own routers do, so that both see the same; the first match wins.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

AUTH = "auth"
BUSINESS = "business"
BOOKING = "booking"
BILLING = "billing"
ANALYTICS = "analytics"
NOTIFICATION = "notification"
WEB = "web"

UPSTREAMS = (AUTH, BUSINESS, BOOKING, BILLING, ANALYTICS, NOTIFICATION, WEB)


class Access(Enum):
    """Who may use a route."""

    TOKEN = "token"  # noqa: S105 - no secret
    """A user with a valid access token for a business that exists, or an admin."""
    PUBLIC = "public"
    """Anyone, from any site's pages; a token is passed on and not asked for."""
    SIGN_IN = "sign-in"
    """Anyone, under a strict limit: routes that sign people in, or make the platform send mail."""
    PAGE = "page"
    """A browser: cookies travel."""
    MACHINE = "machine"
    """A caller that proves itself by a signature which the service checks; its bursts are not limited here."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. In `path`, `*` is a segment, `{slug}` one that names a tenant, a final `**` the rest."""

    path: str
    upstream: str
    access: Access = Access.TOKEN
    methods: frozenset[str] | None = None
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", _compiled(self.path))

    def match(self, method: str, path: str) -> re.Match[str] | None:
        if self.methods is not None and method not in self.methods:
            return None
        return self.pattern.fullmatch(path)


def _compiled(path: str) -> re.Pattern[str]:
    expression = ""
    for segment in path.split("/")[1:]:
        if segment == "**":
            expression += r"(?:/.*)?"
        elif segment == "*":
            expression += r"/[^/]+"
        elif segment.startswith("{"):
            expression += rf"/(?P<{segment[1:-1]}>[^/]+)"
        else:
            expression += "/" + re.escape(segment)
    return re.compile(expression, re.DOTALL)


_POST = frozenset({"POST"})
_GET = frozenset({"GET", "HEAD"})

RULES: tuple[Rule, ...] = (
    Rule("/v1/public/appointments/**", BOOKING, Access.PUBLIC),
    Rule("/v1/public/feeds/*", BOOKING, Access.PUBLIC, _GET),
    Rule("/v1/public/waitlist/**", BOOKING, Access.PUBLIC),
    Rule("/v1/public/{slug}", BUSINESS, Access.PUBLIC),
    Rule("/v1/public/{slug}/**", BOOKING, Access.PUBLIC),
    Rule("/v1/signups", AUTH, Access.SIGN_IN),
    Rule("/v1/signups/*", AUTH, Access.PUBLIC),
    Rule("/v1/sessions", AUTH, Access.SIGN_IN, _POST),
    Rule("/v1/sessions/refresh", AUTH, Access.PUBLIC, _POST),
    Rule("/v1/sessions/**", AUTH),
    Rule("/v1/passwords/**", AUTH, Access.SIGN_IN),
    Rule("/v1/me", AUTH),
    Rule("/v1/invitations/**", AUTH),
    Rule("/v1/members/**", AUTH),
    Rule("/v1/business/**", BUSINESS),
    Rule("/v1/staff/**", BUSINESS),
    Rule("/v1/resources/**", BUSINESS),
    Rule("/v1/services/**", BUSINESS),
    Rule("/v1/reminder-policy/**", BUSINESS),
    Rule("/v1/appointments/**", BOOKING),
    Rule("/v1/series/**", BOOKING),
    Rule("/v1/customers/**", BOOKING),
    Rule("/v1/waitlist/**", BOOKING),
    Rule("/v1/staff-feeds/**", BOOKING),
    Rule("/v1/busy-calendars/**", BOOKING),
    Rule("/v1/audit", BOOKING),
    Rule("/v1/billing/**", BILLING),
    Rule("/v1/usage/**", BILLING),
    Rule("/v1/analytics/**", ANALYTICS),
    Rule("/v1/messages/**", NOTIFICATION),
    Rule("/v1/message-templates/**", NOTIFICATION),
    Rule("/v1/quiet-hours/**", NOTIFICATION),
    Rule("/v1/suppressions/**", NOTIFICATION),
    Rule("/v1/unsubscriptions/*", NOTIFICATION, Access.PUBLIC),
    Rule("/v1/webhook-endpoints/**", NOTIFICATION),
    # A mail client's one click; what a person opens at the same address is a page.
    Rule("/unsubscribe/*", NOTIFICATION, Access.MACHINE, _POST),
    Rule("/webhooks/stripe", BILLING, Access.MACHINE, _POST),
    Rule("/.well-known/jwks.json", AUTH, Access.PUBLIC, _GET),
    Rule("/.well-known/openid-configuration", AUTH, Access.PUBLIC, _GET),
)
_PAGES = Rule("/**", WEB, Access.PAGE)
# web has probes of its own, which nobody outside may reach.
_NOT_PAGES = re.compile(r"/(?:v1|webhooks|\.well-known|healthz|readyz|metrics)(?:/.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Routed:
    """A rule that a request fell under; `slug` is the tenant that its path names."""

    rule: Rule
    slug: str | None = None


def route(method: str, path: str) -> Routed | None:
    """The first rule for this method and decoded path; None when there is none, which is a 404."""
    for rule in RULES:
        found = rule.match(method, path)
        if found is not None:
            return Routed(rule, found.groupdict().get("slug"))
    return None if _NOT_PAGES.fullmatch(path) else Routed(_PAGES)


def methods_of(path: str) -> frozenset[str]:
    """The methods of a path for which `route` found no rule with another; none when nothing is at the path."""
    return frozenset().union(
        *(rule.methods for rule in RULES if rule.methods and rule.pattern.fullmatch(path))
    )
