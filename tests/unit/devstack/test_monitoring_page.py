"""docs/monitoring.md names every metric that a process of the platform exports."""

import re
from importlib import import_module

from prometheus_client import REGISTRY

from devstack.cluster import ROOT
from devstack.settings_page import PARTS

PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")


def test_every_metric_is_named() -> None:
    for package in PARTS.values():
        import_module(f"{package}.app")
    ours = [family for family in REGISTRY.collect() if family.name.startswith("slotwright_")]
    assert len(ours) > 30
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in ours}
    named = set(re.findall(r"^\| `(slotwright_\w+)", PAGE, re.MULTILINE))
    assert names - named == set()
