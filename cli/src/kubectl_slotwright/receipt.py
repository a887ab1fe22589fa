"""What an erasure leaves: the operator's last Event about the Tenant, with the rows that each component removed.

Pure; used by `erase`. The Event's annotation `slotwright.io/rows` is JSON: component to table to number of rows.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_slotwright.objects import Event
from kubectl_slotwright.screen import Cell, Screen, clean, table, to_the_second

ROWS_ANNOTATION = "slotwright.io/rows"
ERASED, ARCHIVED, ABANDONED = "Erased", "Archived", "Abandoned"
_LAST_WORDS = (ERASED, ARCHIVED, ABANDONED)


@dataclass(frozen=True, slots=True)
class Receipt:
    """`outcome` is Erased, Archived or Abandoned; `rows` by component and table, empty where none were told."""

    outcome: str
    time: str
    message: str
    rows: Mapping[str, Mapping[str, int]]

    @property
    def total(self) -> int:
        return sum(count for tables in self.rows.values() for count in tables.values())


def receipt_of(events: Iterable[Event]) -> Receipt | None:
    """The receipt among a tenant's Events. That it was abandoned counts more than what was removed all the same."""
    found = [event for event in events if event.reason in _LAST_WORDS]
    if not found:
        return None
    last = max(found, key=lambda event: (event.reason == ABANDONED, event.time))
    told = [rows for event in found if (rows := _rows(event.annotations.get(ROWS_ANNOTATION)))]
    return Receipt(last.reason, last.time, last.message, told[-1] if told else {})


def to_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "outcome": receipt.outcome,
        "time": receipt.time,
        "message": receipt.message,
        "rows": {component: dict(tables) for component, tables in receipt.rows.items()},
        "total": receipt.total,
    }


def to_text(receipt: Receipt, screen: Screen) -> list[str]:
    """A table of the rows, after the operator's sentence."""
    lines = [f"{receipt.outcome} at {to_the_second(receipt.time)}. {clean(receipt.message)}"]
    rows: list[Sequence[str | Cell]] = [
        (component, name, str(count))
        for component, tables in sorted(receipt.rows.items())
        for name, count in sorted(tables.items())
    ]
    if not rows:
        return lines
    rows = [("COMPONENT", "TABLE", "ROWS"), *rows, ("all", "", str(receipt.total))]
    return lines + table(rows, screen, right=frozenset({2}))


def _rows(text: str | None) -> Mapping[str, Mapping[str, int]]:
    """Nothing where the annotation is missing or not what it should be: a receipt is shown as far as it goes."""
    try:
        told = json.loads(text or "{}")
        return {
            str(component): {str(name): int(count) for name, count in tables.items()}
            for component, tables in told.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}
