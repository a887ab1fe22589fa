"""docs/tenants.md has a runbook for each reason for which a tenant can be Stalled."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_OPERATOR = _ROOT / "operator" / "src" / "tenant_operator"
_BILLING = _ROOT / "services" / "billing" / "src" / "billing"
_AUTH = _ROOT / "services" / "auth" / "src" / "auth"


def _source(folder: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in folder.glob("*.py"))


def _reasons() -> set[str]:
    operator, billing, auth = _source(_OPERATOR), _source(_BILLING), _source(_AUTH)
    found = set(re.findall(r'return \(\n\s+"([A-Z]\w+)",', operator))
    found |= set(re.findall(r'(?:OVERDUE|PARTITIONS_CANNOT_SHRINK|TENANT_ID_TAKEN) = "(\w+)"', operator))
    found |= set(re.findall(r'CannotProvision\(\s*"(\w+)"', billing))
    found |= set(re.findall(r'"(Customer\w+|StripeRefused|BillingError)"', billing))
    found |= set(re.findall(r'ComponentState\.FAILED, "(\w+)"', auth))
    return {reason for reason in found if not reason.endswith("Unavailable")}


def test_every_reason_has_a_runbook_and_every_runbook_a_reason() -> None:
    text = (_ROOT / "docs" / "tenants.md").read_text("utf-8")
    chapter = text.partition("## When a tenant is Stalled")[2].partition("\n## ")[0]
    reasons = _reasons()
    assert {"PlanNotFound", "DeletionOverdue", "PartitionsCannotShrink", "CustomerTaken"} <= reasons
    assert set(re.findall(r"^### (\w+)$", chapter, re.MULTILINE)) == reasons
