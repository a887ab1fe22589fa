"""Billing portal sessions; the page itself is in `pages`."""

from typing import Annotated

from pydantic import Field

from stripe_standin.requests import Call, Params, Route
from stripe_standin.store import Object, new_id


class PortalCreate(Params):
    customer: str
    return_url: Annotated[str | None, Field(pattern="^https?://")] = None
    locale: str | None = None


def create(call: Call) -> Object:
    params = call.read(PortalCreate)
    customer = call.world.store.get("customer", params.customer, param="customer")
    key = new_id("bps")
    session = {
        "id": key,
        "object": "billing_portal.session",
        "configuration": "bpc_standin",
        "created": call.world.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": params.locale,
        "on_behalf_of": None,
        "return_url": params.return_url,
        "url": f"{call.world.settings.base_url}/p/session/{key}",
    }
    return call.world.store.put(session)


ROUTES = (Route("POST", "/v1/billing_portal/sessions", PortalCreate, create),)
