"""Files in, files out: a Tenant and a Plan as they are applied, and what the operator makes of them.

Each folder under `cases` holds `tenant.yaml`, `plan.yaml` and the `expected.yaml` to compare with.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tenant_operator.domain import parse_plan, parse_tenant
from tenant_operator.manifests import credentials_secret
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
