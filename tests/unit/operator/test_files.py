"""Files in, files out: a Tenant and a Plan as they are applied, and what the operator makes of them.

Each folder under `cases` holds `tenant.yaml`, `plan.yaml` and the `expected.yaml` to compare with.
"""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenant_operator.domain import parse_plan, parse_tenant
from tenant_operator.manifests import about, credentials_in, credentials_secret, event, password_in
from unit.operator.surroundings import NEW_STATUS, PLAN_UID, UID, Surroundings

CASES = sorted(path for path in Path(__file__).with_name("cases").iterdir() if path.is_dir())


def _made_of(folder: Path) -> dict[str, Any]:
    tenant = yaml.safe_load((folder / "tenant.yaml").read_text("utf-8"))
    tenant["metadata"] |= {"uid": str(UID), "generation": 1}
    tenant["status"] = NEW_STATUS
    plan = yaml.safe_load((folder / "plan.yaml").read_text("utf-8"))
    plan["metadata"] |= {"uid": str(PLAN_UID), "generation": 1}
    world = Surroundings(parse_tenant(tenant), parse_plan(plan))
    world.settle()
    actions = [type(action).__name__ for action in world.done]
    record = world.published.model_dump(mode="json", exclude_none=True) if world.published else None
    world.answer_all()
    status = dict(world.settle())
    conditions = {item["type"]: f"{item['status']} {item['reason']}" for item in status.pop("conditions")}
    return {"actions": actions, "record": record, "conditions": conditions, "status": status}


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
def test_what_is_made_of_a_tenant(folder: Path) -> None:
    expected = yaml.safe_load((folder / "expected.yaml").read_text("utf-8"))
    assert _made_of(folder) == expected


def test_the_secret_of_a_business() -> None:
    made = credentials_secret(
        "riverside", str(UID), "slotwright-tenants", "hunter2", bootstrap="kafka:9092", protocol="SASL_SSL"
    )
    expected = yaml.safe_load(Path(__file__).with_name("cases").joinpath("secret.yaml").read_text("utf-8"))
    assert made == expected


def test_the_secret_of_a_business_has_the_authority_by_which_a_client_knows_the_brokers() -> None:
    certificate = "-----BEGIN CERTIFICATE-----\n"

    def made(authority: str | None) -> dict[str, Any]:
        return credentials_secret(
            "riverside",
            str(UID),
            "slotwright-tenants",
            "hunter2",
            bootstrap="kafka:9092",
            protocol="SASL_SSL",
            authority=authority,
        )

    assert base64.b64decode(made(certificate)["data"]["ssl.ca.pem"]).decode() == certificate
    for before, now in [(None, certificate), (certificate, None), ("another", certificate)]:
        assert not credentials_in(made(before), now).current
        assert credentials_in(made(now), now).current


@pytest.mark.parametrize("authority", [None, "-----BEGIN CERTIFICATE-----\n"])
def test_a_secret_into_which_somebody_has_put_what_is_no_text_is_to_be_made_anew(
    authority: str | None,
) -> None:
    """All Secrets are read in one look: one that could not be read would end the operator, for every business."""
    made = credentials_secret(
        "riverside",
        str(UID),
        "slotwright-tenants",
        "hunter2",
        bootstrap="kafka:9092",
        protocol="SASL_SSL",
        authority=authority,
    )
    assert password_in(made) == "hunter2"
    der = base64.b64encode(b"\x30\x82\x03\xff").decode()
    made["data"] |= {"ssl.ca.pem": der, "sasl.password": der}
    assert not credentials_in(made, authority).current
    assert password_in(made) is None


@pytest.mark.parametrize("message", ["ß" * 600, "x" + "é" * 600, "short"])
def test_the_note_of_an_event_is_no_longer_than_the_api_server_takes(message: str) -> None:
    made = event(
        about("Tenant", "riverside", UID),
        "riverside.1",
        kind="Warning",
        reason="Abandoned",
        message=message,
        now="2026-03-09T10:00:00.000000Z",
    )
    assert message.startswith(made["note"])
    assert len(made["note"].encode()) == min(len(message.encode()), 1024 - (message[0] == "x"))
