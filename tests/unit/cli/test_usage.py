"""`kubectl slotwright usage`: shares of limits, and what is over one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_slotwright import usage
from kubectl_slotwright.screen import Screen
from unit.cli.surroundings import provisioned, tenant

PLAIN = Screen()


def test_used_limit_and_share() -> None:
    found = [usage.usage_of(tenant())]
    assert usage.to_text(found, PLAIN) == [
        "TENANT     METRIC             USED      LIMIT  SHARE  OBSERVED",
        "riverside  bookingsThisMonth    12       2000    1 %  2026-03-09T09:59:00Z",
        "riverside  staff                 3          5   60 %  2026-03-09T09:59:00Z",
        "riverside  services              4  unlimited      -  2026-03-09T09:59:00Z",
    ]
    assert usage.to_json(found) == {
        "tenants": [
            {
                "name": "riverside",
                "observedAt": "2026-03-09T09:59:00Z",
                "metrics": [
                    {"metric": "bookingsThisMonth", "used": 12, "limit": 2000, "share": 0.006},
                    {"metric": "staff", "used": 3, "limit": 5, "share": 0.6},
                    {"metric": "services", "used": 4, "limit": None, "share": None},
                ],
            }
        ]
    }


def test_only_what_is_over_and_only_whose() -> None:
    found = [usage.usage_of(tenant())]
    assert [use.metric for use in usage.over(found, 50)[0].uses] == ["staff"]
    assert usage.over(found, 60) == []
    assert usage.to_text([], PLAIN, percent=60) == ["No tenant uses more than 60 % of a limit."]


def test_what_was_used_before_the_limit_fell_to_nothing_is_over() -> None:
    """A subscription that has ended takes bookingsPerMonth to 0; there is no share of nothing."""
    ended = provisioned(entitlements={"limits": {"bookingsPerMonth": 0, "services": 0}}, usage={
        "bookingsThisMonth": 12, "services": 0, "observedAt": "2026-03-09T09:59:00Z"
    })  # fmt: skip
    (found,) = usage.over([usage.usage_of(tenant(status=ended))], 1000)
    assert [(use.metric, use.share) for use in found.uses] == [("bookingsThisMonth", None)]
    assert " over " in usage.to_text([found], PLAIN)[1]


def test_a_tenant_without_counts_or_limits_says_so() -> None:
    for status in (provisioned(usage=None), provisioned(entitlements=None), {}):
        found = usage.usage_of(tenant(status=status))
        assert found.uses == ()
        assert "not yet" in usage.to_text([found], PLAIN)[1]
        assert usage.to_json([found])["tenants"][0]["metrics"] == []


@settings(deadline=None, derandomize=True)
@given(used=st.integers(0, 10**9), limit=st.none() | st.integers(0, 10**9), percent=st.integers(0, 1000))
def test_over_agrees_with_the_share(used: int, limit: int | None, percent: int) -> None:
    use = usage.Use("staff", used, limit)
    if use.share is not None:
        assert use.over(percent) == (use.share * 100 > percent) or abs(use.share * 100 - percent) < 1e-6
    if use.over(percent):
        assert limit is not None
        assert all(use.over(lower) for lower in range(0, percent, 50))
