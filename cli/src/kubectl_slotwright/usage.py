"""`kubectl slotwright usage`: what tenants use of their limits. Pure; the metrics are a Tenant's status.usage."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_slotwright.objects import Tenant
from kubectl_slotwright.screen import BAD, UNSURE, Cell, Screen, table

LIMITS = {
    "bookingsThisMonth": "bookingsPerMonth",
    "staff": "staff",
    "services": "services",
    "emailsThisMonth": "emailsPerMonth",
    "smsThisMonth": "smsPerMonth",
}
"""Each count in status.usage with the limit that it counts towards."""
_NEARLY = 80


@dataclass(frozen=True, slots=True)
class Use:
    """One count of a tenant; `limit` is None where there is none."""

    metric: str
    used: int
    limit: int | None

    @property
    def share(self) -> float | None:
        """Used of the limit, 1.0 when all is used; None without a limit, and where the limit is 0."""
        return self.used / self.limit if self.limit else None

    def over(self, percent: int) -> bool:
        """Whether more than that share is used; anything is more than a limit of 0 allows."""
        return self.limit is not None and self.used * 100 > self.limit * percent


@dataclass(frozen=True, slots=True)
class Usage:
    """What one tenant uses; no counts while the services have not told any, or the operator published no limits."""

    tenant: str
    observed_at: str | None
    uses: tuple[Use, ...]


def usage_of(tenant: Tenant) -> Usage:
    limits = tenant.limits_in_force
    uses = () if limits is None else tuple(
        Use(metric, tenant.usage[metric], limits.get(limit))
        for metric, limit in LIMITS.items()
        if metric in tenant.usage
    )  # fmt: skip
    return Usage(tenant.name, tenant.usage.get("observedAt"), uses)


def over(found: Iterable[Usage], percent: int) -> list[Usage]:
    """Only what is over that share, and only tenants with any."""
    kept = (
        Usage(usage.tenant, usage.observed_at, tuple(use for use in usage.uses if use.over(percent)))
        for usage in found
    )
    return [usage for usage in kept if usage.uses]


def to_json(found: Iterable[Usage]) -> dict[str, Any]:
    return {
        "tenants": [
            {
                "name": usage.tenant,
                "observedAt": usage.observed_at,
                "metrics": [
                    {
                        "metric": use.metric,
                        "used": use.used,
                        "limit": use.limit,
                        "share": None if use.share is None else round(use.share, 4),
                    }
                    for use in usage.uses
                ],
            }
            for usage in found
        ]
    }


def to_text(found: Sequence[Usage], screen: Screen, *, percent: int | None = None) -> list[str]:
    """A table of all; the tenant and the time stand on each line, so that it can be cut and sorted."""
    if not found:
        return [
            "There are no tenants."
            if percent is None
            else f"No tenant uses more than {percent} % of a limit."
        ]
    rows: list[Sequence[str | Cell]] = [("TENANT", "METRIC", "USED", "LIMIT", "SHARE", "OBSERVED")]
    for usage in found:
        if not usage.uses:
            rows.append((usage.tenant, "-", "-", "-", "-", "not yet"))
        rows += [
            (
                usage.tenant,
                use.metric,
                str(use.used),
                "unlimited" if use.limit is None else str(use.limit),
                Cell(_share(use), _colour(use)),
                usage.observed_at or "-",
            )
            for use in usage.uses
        ]
    return table(rows, screen, right=frozenset({2, 3, 4}))


def _share(use: Use) -> str:
    if use.share is None:
        return "over" if use.over(100) else "-"
    return f"{use.share * 100:.0f} %"


def _colour(use: Use) -> str | None:
    if use.over(100):
        return BAD
    return UNSURE if use.over(_NEARLY) else None
