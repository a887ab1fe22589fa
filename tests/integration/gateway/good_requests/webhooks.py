"""Good requests about webhook endpoints and their deliveries."""

from typing import Any

from integration.gateway.bad_input import Good
from integration.gateway.good_requests.registry import ANY, good, keyed, plain
from integration.gateway.sites import Site

_HOOKS = "/v1/webhook-endpoints"
plain(_HOOKS)


def _hook() -> dict[str, Any]:
    return {"url": "http://127.0.0.1:9/hooks", "events": ["message.failed"], "description": "CRM"}


@good("POST", _HOOKS)
def _new_endpoint(site: Site) -> Good:
    others = (({"events": ["*", "message.failed"]}, "/events"), ({"url": "https://10.0.0.1/"}, "/url"))
    return Good(body=_hook(), headers=keyed(), person=site.mine.owner, together=others)


def _endpoint(site: Site, **more: Any) -> Good:
    values = {"endpoint_id": site.mine.endpoint()} | more.pop("values", {})
    others = {"endpoint_id": site.other.endpoint()} | more.pop("others", {})
    return Good(values, person=site.mine.owner, others=others, **more)


@good("GET", f"{_HOOKS}/{{endpoint_id}}")
@good("DELETE", f"{_HOOKS}/{{endpoint_id}}")
@good("POST", f"{_HOOKS}/{{endpoint_id}}/rotate-secret")
def _an_endpoint(site: Site) -> Good:
    return _endpoint(site)


@good("PATCH", f"{_HOOKS}/{{endpoint_id}}")
def _edit_endpoint(site: Site) -> Good:
    return _endpoint(site, body=_hook() | {"enabled": True}, headers=ANY)


@good("POST", f"{_HOOKS}/{{endpoint_id}}/test")
def _test_endpoint(site: Site) -> Good:
    return _endpoint(site, headers=keyed())


@good("GET", f"{_HOOKS}/{{endpoint_id}}/deliveries")
def _deliveries(site: Site) -> Good:
    return _endpoint(site, query={"status": "failed", "type": "webhook.test"})


@good("GET", f"{_HOOKS}/{{endpoint_id}}/deliveries/{{delivery_id}}")
@good("POST", f"{_HOOKS}/{{endpoint_id}}/deliveries/{{delivery_id}}/resend")
def _delivery(site: Site) -> Good:
    mine, other = site.mine.endpoint(), site.other.endpoint()
    values = {"endpoint_id": mine, "delivery_id": site.mine.delivery(mine)}
    others = {"endpoint_id": other, "delivery_id": site.other.delivery(other)}
    return Good(values, person=site.mine.owner, others=others)
