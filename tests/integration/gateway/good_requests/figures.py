"""Good requests of billing, analytics and the audit trails, and Stripe's own."""

import hashlib
import hmac
import time

from integration.gateway.bad_input import Good
from integration.gateway.good_requests.registry import CLOSED, good, keyed, plain
from integration.gateway.platform import WEBHOOK_SECRET
from integration.gateway.sites import Site
from servicekit.ids import new_id

plain("/v1/billing/subscription", "/v1/billing/invoices")
plain("/v1/usage", month="2026-03")


@good("GET", "/v1/analytics/daily")
def _daily(site: Site) -> Good:
    backwards = {"from": "2026-03-02", "to": "2026-03-01"}
    query = {"from": "2026-03-01", "to": "2026-03-02"}
    return Good(query=query, person=site.mine.owner, together=((backwards, "?from"),))


@good("GET", "/v1/audit")
@good("GET", "/v1/business/audit")
@good("GET", "/v1/messages/audit")
def _audit(site: Site) -> Good:
    query = {"entity": site.mine.staff, "from": "2026-03-01T00:00:00Z", "to": "2099-03-01T00:00:00+01:00"}
    return Good(query=query, person=site.mine.owner, others={"entity": site.other.staff})


@good("POST", "/v1/billing/checkout-sessions")
@good("POST", "/v1/billing/portal-sessions")
def _pages_at_stripe(site: Site) -> Good:
    body = {"return_path": "/dashboard"}
    return Good(body=body, headers=keyed(), person=site.mine.owner, granted=CLOSED)


@good("POST", "/webhooks/stripe")
def _webhook(_site: Site) -> Good:
    event = {"id": f"evt_{new_id().hex}", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}

    def sign(body: bytes) -> dict[str, str]:
        at = int(time.time())
        digest = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={at},v1={digest}"}

    return Good(body=event, sign=sign)
