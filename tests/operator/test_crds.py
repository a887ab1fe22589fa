"""The CRDs at a real API server: what is refused, in which words, and what may not change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from contracts.model import RESERVED_SLUGS
from support.api_server import ROOT, ApiServer
from support.operator_world import condition, fresh, plan, tenant

CRDS = sorted((ROOT / "crds").glob("*.yaml"))


TENANTS: list[tuple[dict[str, Any], str]] = [
    ({"timezone": "GMT+1"}, "timezone must be an IANA name such as Europe/Lisbon"),
    ({"timezone": "europe/lisbon"}, "timezone must be an IANA name such as Europe/Lisbon"),
    ({"currency": "euro"}, "currency must be an ISO 4217 code of three capital letters, such as EUR"),
    ({"locale": "english (UK)"}, "locale must be a BCP 47 tag such as en or pt-PT"),
    ({"owner": {"email": "ada", "name": "Ada"}}, "owner.email must be a mail address"),
    ({"billing": {"customerId": "42"}}, "billing.customerId must be the id of a Stripe customer"),
    (
        {"billing": {"mode": "Manual", "customerId": "cus_1"}},
        "billing.customerId is a customer at Stripe, so billing.mode must be Stripe",
    ),
    ({"billing": {"mode": "Manual", "trialDays": 7}}, "billing.trialDays needs billing.mode Stripe"),
    ({"limits": {"bookingsPerMonth": -1}}, "should be greater than or equal to 0"),
    ({"eventStream": {"retentionHours": 0}}, "should be greater than or equal to 1"),
    ({"eventStream": {"partitions": 17}}, "should be less than or equal to 16"),
    ({"tenantId": "0195B3A0-0000-7000-8000-000000000001"}, "tenantId must be a UUID in lower case"),
    ({"deletionPolicy": "Keep"}, 'supported values: "Retain", "Delete"'),
    ({"plan": None}, "spec.plan: Required value"),
    ({"displayName": "Riverside\nBarbers"}, "displayName must be one line, without control characters"),
    ({"displayName": "Riverside\u2028Barbers"}, "displayName must be one line, without control characters"),
    ({"displayName": "Riverside \u202esrebraB"}, "such as change the direction of the text behind them"),
    ({"displayName": "\u00a0\u200b"}, "displayName must have a character that can be seen"),
    (
        {"owner": {"email": "ada@riverside.example", "name": "Ada\x00"}},
        "owner.name must be one line, without control characters",
    ),
    (
        {"owner": {"email": "ada@riverside.example", "name": " "}},
        "owner.name must have a character that can be seen",
    ),
    ({"owner": {"email": "a\x07@riverside.example", "name": "Ada"}}, "owner.email must be a mail address"),
    ({"owner": {"email": "a,b@riverside.example", "name": "Ada"}}, "owner.email must be a mail address"),
    ({"owner": {"email": 'a"\\@riverside.example', "name": "Ada"}}, "owner.email must be a mail address"),
    ({"colour": "blue"}, 'unknown field "spec.colour"'),
]


@pytest.mark.parametrize(("change", "sentence"), TENANTS)
def test_a_bad_tenant_is_refused_in_words(
    api_server: ApiServer, change: dict[str, Any], sentence: str
) -> None:
    answer = api_server.create(tenant(fresh("shop"), "pro", **change))
    assert answer.status_code in {400, 422}, answer.text
    assert sentence in answer.json()["message"]


NAMES = [
    "metadata.name is the business's address in URLs and topics",
    "metadata.name may have 1 to 63 lower-case letters, digits and hyphens",
]
RESERVED = "appointments, feeds and waitlist are the platform's own"


@pytest.mark.parametrize("name", ["riverside.barbers", "a" * 64])
def test_a_name_that_is_no_slug_is_refused_in_words(api_server: ApiServer, name: str) -> None:
    for body, sentence in zip((tenant(name, "pro"), plan(name)), NAMES, strict=True):
        answer = api_server.create(body)
        assert answer.status_code == 422
        assert sentence in answer.json()["message"]


@pytest.mark.parametrize("name", sorted(RESERVED_SLUGS))
def test_a_name_that_is_the_platforms_own_is_refused(api_server: ApiServer, name: str) -> None:
    answer = api_server.create(tenant(name, "pro"))
    assert answer.status_code == 422
    assert RESERVED in answer.json()["message"]


PLANS: list[tuple[dict[str, Any], str]] = [
    ({"price": {"amount": 1, "currency": "eur"}}, "currency must be an ISO 4217 code"),
    ({"price": {"amount": -1, "currency": "EUR"}}, "should be greater than or equal to 0"),
    (
        {"price": {"amount": 1, "currency": "EUR", "stripePriceId": "prod_1"}},
        "stripePriceId must be the id of a Stripe price, which begins with price_",
    ),
    ({"price": {"amount": 5050, "currency": "ISK"}}, "price.amount must end in 00 in ISK and UGX"),
    ({"price": {"amount": 5010, "currency": "UGX"}}, "price.amount must end in 00 in ISK and UGX"),
    *(
        (
            {"price": {"amount": 2905, "currency": currency}},
            "price.amount must end in 0 in BHD, JOD, KWD, OMR",
        )
        for currency in ("BHD", "JOD", "KWD", "OMR", "TND")
    ),
    ({"limits": {"requestsPerMinute": 0}}, "should be greater than or equal to 1"),
    ({"displayName": "\u2060"}, "displayName must have a character that can be seen"),
    ({"displayName": "Pro\tPlus"}, "displayName must be one line, without control characters"),
    ({"price": {"amount": 1, "currency": "EUR", "vat": 23}}, 'unknown field "spec.price.vat"'),
]


@pytest.mark.parametrize(("change", "sentence"), PLANS)
def test_a_bad_plan_is_refused_in_words(api_server: ApiServer, change: dict[str, Any], sentence: str) -> None:
    answer = api_server.create(plan(fresh("plan"), **change))
    assert answer.status_code in {400, 422}, answer.text
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize(
    "price",
    [
        {"amount": 5000, "currency": "UGX"},
        {"amount": 2910, "currency": "KWD"},
        {"amount": 2905, "currency": "EUR"},
        {"amount": 2905, "currency": "JPY"},
    ],
)
def test_a_price_that_stripe_can_charge_is_taken(api_server: ApiServer, price: dict[str, Any]) -> None:
    answer = api_server.create(plan(fresh("plan"), price=price))
    assert answer.status_code == 201, answer.text


FIXED: list[tuple[dict[str, Any], str]] = [
    ({"billing": {"customerId": "cus_2"}}, "spec.billing.customerId cannot change or be taken away"),
    ({"billing": {"customerId": None}}, "spec.billing.customerId cannot change or be taken away"),
    ({"billing": None}, "spec.billing.customerId cannot change or be taken away"),
    ({"currency": "USD"}, "spec.currency cannot change"),
    (
        {"tenantId": "0195b3a0-0000-7000-8000-000000000002"},
        "spec.tenantId is given when the object is created",
    ),
    ({"tenantId": None}, "spec.tenantId is given when the object is created"),
    ({"eventStream": {"partitions": 1}}, "eventStream.partitions can rise but not fall"),
]


@pytest.mark.parametrize(("change", "sentence"), FIXED)
def test_what_may_not_change(api_server: ApiServer, change: dict[str, Any], sentence: str) -> None:
    name = fresh("shop")
    own = {"billing": {"customerId": "cus_1"}, "eventStream": {"partitions": 2}, "tenantId": str(uuid4())}
    assert api_server.create(tenant(name, "pro", **own)).status_code == 201
    answer = api_server.patch("Tenant", name, {"spec": change})
    assert answer.status_code == 422, answer.text
    assert sentence in answer.json()["message"]


def test_an_id_cannot_be_set_later(api_server: ApiServer) -> None:
    name = fresh("shop")
    assert api_server.create(tenant(name, "pro")).status_code == 201
    answer = api_server.patch("Tenant", name, {"spec": {"tenantId": str(uuid4())}})
    assert answer.status_code == 422, answer.text
    assert "spec.tenantId is given when the object is created" in answer.json()["message"]


def test_a_customer_can_be_set_later(api_server: ApiServer) -> None:
    name = fresh("shop")
    assert api_server.create(tenant(name, "pro")).status_code == 201
    answer = api_server.patch("Tenant", name, {"spec": {"billing": {"customerId": "cus_1"}}})
    assert answer.status_code == 200, answer.text


SEALED = "spec.owner.email cannot change once the owner has been invited"


def test_the_owners_address_is_sealed_by_the_invitation(api_server: ApiServer) -> None:
    name = fresh("shop")
    assert api_server.create(tenant(name, "pro")).status_code == 201
    other = {"spec": {"owner": {"email": "bo@riverside.example"}}}
    assert api_server.patch("Tenant", name, other).status_code == 200
    body = api_server.get("Tenant", name)
    assert body is not None
    invited = {
        "type": "OwnerInvited",
        "status": "True",
        "reason": "Invited",
        "message": "Invited.",
        "lastTransitionTime": "2026-03-09T10:00:00Z",
    }
    with api_server.admin() as client:
        path = f"/apis/slotwright.io/v1alpha1/tenants/{name}/status"
        answer = client.put(path, json=body | {"status": {"conditions": [invited]}})
        assert answer.status_code == 200, answer.text
    answer = api_server.patch("Tenant", name, {"spec": {"owner": {"email": "ada@riverside.example"}}})
    assert answer.status_code == 422
    assert SEALED in answer.json()["message"]
    assert api_server.patch("Tenant", name, {"spec": {"owner": {"name": "Bo"}}}).status_code == 200


def test_a_new_tenant_is_not_ready_before_anybody_has_seen_it(api_server: ApiServer) -> None:
    """Else Helm's --wait, which takes an object without a status for one that is done, would not wait for it."""
    name = fresh("shop")
    assert api_server.create(tenant(name, "pro")).status_code == 201
    body = api_server.get("Tenant", name)
    assert condition(body, "Ready") == ("Unknown", "Pending", "Waiting for the operator.")
    assert condition(body, "Reconciling")[0] == "True"
    api_server.delete("Tenant", name)


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.name)
def test_every_rule_has_a_manifest_above_that_breaks_it(path: Path) -> None:
    tried = [sentence for table in (TENANTS, PLANS, FIXED) for _change, sentence in table]
    tried += [*NAMES, RESERVED, SEALED]
    messages = [rule["message"] for rule in _rules(_schema(path))]
    assert messages
    assert [message for message in messages if not any(sentence in message for sentence in tried)] == []


def _rules(schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield from schema.get("x-kubernetes-validations", ())
    for part in schema.get("properties", {}).values():
        yield from _rules(part)


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.name)
def test_every_type_and_bound_is_kept_and_the_field_is_named(api_server: ApiServer, path: Path) -> None:
    spec = _schema(path)["properties"]["spec"]
    faults = []
    for where, wrong in _beyond(spec, ()):
        body = plan(fresh("bad")) if path.name == "plans.yaml" else tenant(fresh("bad"), "pro")
        place = body["spec"]
        for name in where[:-1]:
            place = place.setdefault(name, {})
        place[where[-1]] = wrong
        answer = api_server.create(body)
        field = ".".join(("spec", *where))
        if answer.status_code not in {400, 422} or field not in answer.json()["message"]:
            faults.append(f"{field}={str(wrong)[:40]!r}: {answer.status_code} {answer.text[:300]}")
    assert not faults, "\n".join(faults)


def _beyond(schema: dict[str, Any], where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Values that a field of the schema may not have, each with the field's place."""
    wrong: list[Any] = []
    if where:
        samples: list[Any] = ["x", 7, True, ["x"], {"x": {}}]
        wrong += [value for value in samples if not _is(value, schema["type"])]
    for bound, step in (("minimum", -1), ("maximum", 1)):
        if bound in schema:
            wrong.append(schema[bound] + step)
    if "minLength" in schema:
        wrong.append("")
    if "maxLength" in schema:
        wrong.append("x" * (schema["maxLength"] + 1))
    if "enum" in schema:
        wrong.append("neither")
    if "maxProperties" in schema:
        wrong.append({f"f{number}": True for number in range(schema["maxProperties"] + 1)})
    yield from ((where, value) for value in wrong)
    for name, part in schema.get("properties", {}).items():
        yield from _beyond(part, (*where, name))


def _is(value: Any, kind: str) -> bool:
    types = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
    return isinstance(value, types[kind]) and (kind != "integer" or not isinstance(value, bool))


@pytest.mark.parametrize("sample", ["plan.yaml", "tenant.yaml"])
def test_the_samples_are_accepted(api_server: ApiServer, sample: str) -> None:
    for body in yaml.safe_load_all((ROOT / "dev" / "samples" / sample).read_text("utf-8")):
        body["metadata"]["name"] = fresh(body["metadata"]["name"])
        answer = api_server.create(body)
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.name)
def test_every_field_is_explained(path: Path) -> None:
    assert list(_unexplained(_schema(path), "")) == []


def _schema(path: Path) -> dict[str, Any]:
    crd = yaml.safe_load(path.read_text("utf-8"))
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _unexplained(schema: dict[str, Any], at: str) -> Any:
    for name, field in schema.get("properties", {}).items():
        if f"{at}.{name}" != ".metadata" and not field.get("description"):
            yield f"{at}.{name}"
        yield from _unexplained(field, f"{at}.{name}")
    if "items" in schema:
        yield from _unexplained(schema["items"], f"{at}[]")
