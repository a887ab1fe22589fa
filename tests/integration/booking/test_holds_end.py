"""Until when a hold is one: time that has run out, a start that has come, and what may not be held at all.

Over HTTP on a real Postgres; nobody sweeps here, so that each rule stands by itself.
"""

from datetime import timedelta

import pytest

from integration.booking.holding import keep, kept, let_run_out
from integration.booking.world import World, tomorrow_noon, wish


async def test_only_what_has_run_out_makes_way(world: World) -> None:
    """Another hold on the same member of staff lasts, and is its holder's still."""
    shop = await world.shop()
    noon, later = tomorrow_noon(), tomorrow_noon() + timedelta(hours=2)
    let_run_out(world, kept(world, shop, noon))
    lasts = kept(world, shop, later)
    assert world.post(shop, wish(shop, noon)).status_code == 201
    states = {row["begins_at"]: row["state"] for row in world.taken(shop)}
    assert states == {noon: "confirmed", later: "held"}
    assert world.post(shop, wish(shop, later, hold_id=lasts)).status_code == 201


async def test_a_hold_that_has_run_out_books_nothing_though_its_time_is_free(world: World) -> None:
    shop = await world.shop()
    hold_id = kept(world, shop, tomorrow_noon())
    let_run_out(world, hold_id)
    refused = world.post(shop, wish(shop, tomorrow_noon(), hold_id=hold_id))
    assert refused.status_code == 409, refused.text
    assert refused.json()["type"] == "/problems/hold-expired"
    assert world.rows("SELECT 1 FROM appointment WHERE tenant_id = %s", shop.tenant.tenant_id) == []
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201


async def test_a_hold_that_lasts_beyond_its_start_is_not_booked_behind_it(world: World) -> None:
    """Somebody holds a time a minute ahead, and goes on typing for two."""
    shop = await world.shop()
    hold_id = kept(world, shop, tomorrow_noon())
    back = timedelta(days=2)
    for statement in (
        "UPDATE hold SET starts_at = starts_at - %s WHERE hold_id = %s RETURNING 1",
        "UPDATE allocation SET during = tstzrange(lower(during) - %s, upper(during) - %s)"
        " WHERE hold_id = %s RETURNING 1",
    ):
        assert world.rows(statement, *[back] * (statement.count("%s") - 1), hold_id)
    refused = world.post(shop, wish(shop, tomorrow_noon() - back, hold_id=hold_id))
    assert refused.status_code == 422, refused.text
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/starts_at"]
    assert [row["state"] for row in world.taken(shop)] == ["held"]


@pytest.mark.parametrize(
    ("days", "words"), [(-2, "in the past"), (0, "too soon"), (8, "too far ahead")], ids=str
)
async def test_what_cannot_be_booked_by_a_customer_cannot_be_held(
    world: World, days: int, words: str
) -> None:
    """Or the business's time is taken for what nobody may have."""
    shop = await world.shop(minimum_notice_minutes=3 * 24 * 60, booking_window_days=7)
    refused = keep(world, shop, tomorrow_noon() + timedelta(days=days))
    assert refused.status_code == 422, refused.text
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/starts_at"
    assert words in error["detail"]
    assert world.taken(shop) == []
