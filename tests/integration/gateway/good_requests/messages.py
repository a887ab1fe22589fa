"""Good requests of notification, its webhooks apart."""

import secrets
from typing import Any

from pydantic import SecretStr

from contracts.booking import Channel
from integration.gateway.bad_input import Good
from integration.gateway.good_requests.registry import ANY, good, keyed, plain
from integration.gateway.platform import LINK_KEY
from integration.gateway.sites import Business, Site
from servicekit.ids import new_id
from servicekit.links import Subscription, UnsubscribeLinks

_WORDS = {"subject": "{{ when }}", "lead": "See you.", "text": None}

plain("/v1/quiet-hours")


@good("GET", "/v1/messages")
def _messages(site: Site) -> Good:
    query = {"status": "sent", "channel": "email", "appointment_id": site.mine.appointment()["id"]}
    others = {"appointment_id": site.other.appointment()["id"]}
    return Good(query=query, person=site.mine.owner, others=others)


@good("GET", "/v1/messages/{message_id}")
def _message(site: Site) -> Good:
    others = {"message_id": site.other.message()}
    return Good({"message_id": site.mine.message()}, person=site.mine.owner, others=others)


def _template(site: Site, **more: Any) -> Good:
    """Laid down before, so that an edit of what never was is one of an old version."""
    path = {"kind": "reminder", "channel": "email", "language": "pt"}
    url = "/v1/message-templates/reminder/email/pt"
    site.platform.call("PUT", url, site.mine.owner, json={"lead": "{{ name }}"}, headers=ANY)
    return Good(path, person=site.mine.owner, **more)


@good("GET", "/v1/message-templates/{kind}/{channel}/{language}")
def _read_template(site: Site) -> Good:
    return _template(site)


@good("PUT", "/v1/message-templates/{kind}/{channel}/{language}")
def _replace_template(site: Site) -> Good:
    together = (
        ({"lead": "{{ nmae }}"}, "/lead"),
        ({"subject": "{% for x in name %}{% endfor %}"}, "/subject"),
        ({"subject": "two\nlines"}, "/subject"),
        ({"text": "of a text message"}, "/text"),
        ({"subject": None, "lead": None}, "/subject"),
    )
    return _template(site, body=_WORDS, headers=ANY, together=together)


@good("DELETE", "/v1/message-templates/{kind}/{channel}/{language}")
def _drop_template(site: Site) -> Good:
    return _template(site, headers=ANY)


@good("POST", "/v1/message-templates/{kind}/{channel}/{language}/preview")
def _preview(site: Site) -> Good:
    return _template(site, body=_WORDS, together=(({"lead": "{{ nmae }}"}, "/lead"),))


@good("PUT", "/v1/quiet-hours")
def _quiet_hours(site: Site) -> Good:
    body = {"from": "22:00", "to": "08:00", "channels": ["sms"], "notices": False}
    site.platform.call("PUT", "/v1/quiet-hours", site.mine.owner, json=body, headers=ANY)
    together = (({"to": "22:00"}, "/to"), ({"channels": ["sms", "sms"]}, "/channels"))
    return Good(body=body, headers=ANY, person=site.mine.owner, together=together)


def _suppressed(site: Site, business: Business) -> str:
    body = {"channel": "email", "address": f"{secrets.token_hex(4)}@customer.example"}
    return str(site.platform.create("/v1/suppressions", body, business.owner)["id"])


@good("GET", "/v1/suppressions")
def _suppressions(site: Site) -> Good:
    return Good(query={"channel": "email", "reason": "by-hand"}, person=site.mine.owner)


@good("POST", "/v1/suppressions")
def _suppress(site: Site) -> Good:
    body = {"channel": "email", "address": "gone@customer.example", "reason": "by-hand", "scope": "all"}
    together = (({"address": "+351912345678"}, "/address"), ({"channel": "sms"}, "/address"))
    return Good(body=body, headers=keyed(), person=site.mine.owner, together=together)


@good("DELETE", "/v1/suppressions/{suppression_id}")
def _unsuppress(site: Site) -> Good:
    values = {"suppression_id": _suppressed(site, site.mine)}
    return Good(values, person=site.mine.owner, others={"suppression_id": _suppressed(site, site.other)})


def _subscription(site: Site) -> dict[str, str]:
    of = Subscription(site.mine.tenant.tenant_id, new_id(), Channel.EMAIL, secrets.token_bytes(16))
    return {"token": UnsubscribeLinks(SecretStr(LINK_KEY)).token(of)}


@good("GET", "/v1/unsubscriptions/{token}")
@good("DELETE", "/v1/unsubscriptions/{token}")
def _by_unsubscribe_link(site: Site) -> Good:
    return Good(_subscription(site))


@good("PUT", "/v1/unsubscriptions/{token}")
def _unsubscribe(site: Site) -> Good:
    return Good(_subscription(site), body={"unsubscribed": "reminders"})
