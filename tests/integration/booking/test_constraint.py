"""What the platform stands on, by itself: no lock, no look, no code of ours between two rows and the database.

Services come to it seldom, as they queue before (booking.allocations); whoever forgets to is stopped here alone.
"""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from integration.booking.world import World, tomorrow_noon
from servicekit.ids import new_id

OVERLAP, PLACE = "allocation_no_overlap", "allocation_place"
SAME: dict[str, Any] = {"same_session": True}
_INSERT = """
INSERT INTO allocation (tenant_id, allocation_id, resource_id, lane, session_id, place, during, state,
    appointment_id, hold_id, held_until)
VALUES (%(tenant)s, gen_random_uuid(), %(resource)s, %(lane)s, %(session)s, %(place)s,
    tstzrange(%(begins)s, %(begins)s + interval '30 minutes'), %(state)s,
    CASE WHEN %(state)s <> 'held' THEN gen_random_uuid() END,
    CASE WHEN %(state)s = 'held' THEN gen_random_uuid() END, CASE WHEN %(state)s = 'held' THEN now() END)
"""


@pytest.mark.parametrize(
    ("first", "then", "refused_by"),
    [
        ("confirmed", {}, OVERLAP),
        ("held", {}, OVERLAP),
        ("confirmed", {"state": "held"}, OVERLAP),
        ("held", {"state": "held"}, OVERLAP),
        ("confirmed", {"minutes": 29}, OVERLAP),
        ("confirmed", {"minutes": -29}, OVERLAP),
        ("confirmed", SAME | {"minutes": 15}, PLACE),
        ("confirmed", SAME, PLACE),
        ("held", SAME, PLACE),
        ("confirmed", SAME | {"state": "held"}, PLACE),
        ("confirmed", SAME | {"place": 1}, None),
        ("confirmed", {"minutes": 30}, None),
        ("confirmed", {"minutes": -30}, None),
        ("confirmed", {"lane": 1}, None),
        ("confirmed", {"resource": 1}, None),
        ("confirmed", {"state": "released"}, None),
        ("released", {}, None),
        ("released", SAME, None),
    ],
    ids=str,
)
async def test_the_database_takes_no_time_twice(
    world: World, first: str, then: dict[str, Any], refused_by: str | None
) -> None:
    """Where one ends another may begin; what was given back, other lanes and resources are in nobody's way."""
    shop, session = await world.shop(staff=2), new_id()

    def taking(
        state: str = "confirmed",
        *,
        minutes: int = 0,
        lane: int = 0,
        place: int = 0,
        resource: int = 0,
        same_session: bool = False,
    ) -> dict[str, Any]:
        return {
            "tenant": shop.tenant.tenant_id,
            "resource": shop.staff[resource],
            "lane": lane,
            "session": session if same_session else new_id(),
            "place": place,
            "begins": tomorrow_noon() + timedelta(minutes=minutes),
            "state": state,
        }

    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(_INSERT.encode(), taking(first, same_session=True))
        found = None
        try:
            conn.execute(_INSERT.encode(), taking(**then))
        except psycopg.IntegrityError as error:
            found = error.diag.constraint_name
        conn.rollback()
    assert found == refused_by
