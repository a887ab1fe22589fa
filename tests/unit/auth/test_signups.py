"""What a sign-up may ask for is what the API server takes in a Tenant: else it is answered 202, and never comes."""

import re
from pathlib import Path

import yaml
from pydantic import ValidationError

from auth.routes.signups import NewSignup
from servicekit.localtime import zone_names

_CRD = yaml.safe_load((Path(__file__).parents[3] / "crds" / "tenants.yaml").read_text("utf-8"))
_SPEC = _CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def _taken_by_the_crd(timezone: str) -> bool:
    (rule,) = _SPEC["timezone"]["x-kubernetes-validations"]
    pattern = re.fullmatch(r"self\.matches\('(.+)'\)", rule["rule"])
    assert pattern is not None
    return re.fullmatch(pattern[1], timezone) is not None and len(timezone) <= _SPEC["timezone"]["maxLength"]


def _taken(timezone: str) -> bool:
    wanted = {
        "email": "ada@riverside.example",
        "name": "Ada",
        "business_name": "Riverside Barbers",
        "slug": "riverside",
        "plan": "pro",
        "timezone": timezone,
        "locale": "en",
        "currency": "EUR",
    }
    try:
        NewSignup.model_validate(wanted)
    except ValidationError as error:
        return [item["loc"] for item in error.errors()] != [("timezone",)]
    return True


def test_the_zones_that_are_taken_are_those_that_a_tenant_may_have() -> None:
    taken = {name for name in zone_names() if _taken(name)}
    assert taken == {name for name in zone_names() if _taken_by_the_crd(name)}
    assert taken >= {"UTC", "Europe/Lisbon", "America/Argentina/Buenos_Aires"}
