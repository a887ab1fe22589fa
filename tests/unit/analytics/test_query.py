"""What a request may ask for."""

from typing import Any

import pytest
from pydantic import ValidationError

from analytics.routes.daily import DaysQuery


@pytest.mark.parametrize(
    "given",
    [
        {"from": "2026-03-02T00:00:00"},
        {"from": "1772409600"},
        {"from": 1772409600},
        {"to": "2026-02-30"},
        {"to": ""},
        {"to": "9999-12-31"},
        {"from": "0001-01-01"},
        {"from": "２０２６-03-02"},
        {"from": "2026-03-02\n"},
        {"until": "2026-03-02"},
        {"first": "2026-03-02"},
    ],
)
def test_what_is_no_date_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DaysQuery.model_validate(given)
