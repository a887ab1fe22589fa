"""Runs the helm-unittest suites, which say how one template behaves: unittest/<chart>/*_test.yaml."""

import pytest

from devstack.cluster import run
from support.charts import CHARTS, HERE

_SUITES = sorted(path.name for path in (HERE / "unittest").iterdir())


@pytest.mark.parametrize("chart", _SUITES)
def test_suites(chart: str) -> None:
    said = run(
        "helm-unittest", "--file", f"../../tests/charts/unittest/{chart}/*_test.yaml", str(CHARTS / chart)
    )
    assert "0 passed, 0 total" not in said.split("Tests:")[1].splitlines()[0]
