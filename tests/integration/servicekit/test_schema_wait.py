"""`migrate --wait`, which a pod's init container runs before the service itself."""

from collections.abc import Callable

import psycopg
import pytest
from pydantic import SecretStr

from devstack.processes import free_port
from servicekit.migrate import MigrationError, wait_for_schema
from servicekit.settings import DatabaseSettings
from support.databases import ServiceDatabase


@pytest.mark.parametrize("service", ["auth", "booking"])
async def test_it_ends_at_once_where_the_schema_is_there(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    await wait_for_schema(service, service_database(service).settings, limit=0.1)


async def test_it_says_which_revisions_are_missing_and_what_it_saw(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    database = service_database("booking")
    with psycopg.connect(database.admin_url) as conn:
        conn.execute("DELETE FROM alembic_version")
    with pytest.raises(MigrationError, match=r"booking_\d+.*saw revisions \[\]"):
        await _wait_for_bookings(database.settings)
    nowhere = DatabaseSettings(database_url=SecretStr(f"postgresql://a:b@127.0.0.1:{free_port()}/c"))
    with pytest.raises(MigrationError, match="Connection refused"):
        await _wait_for_bookings(nowhere)


async def _wait_for_bookings(settings: DatabaseSettings) -> None:
    await wait_for_schema("booking", settings, limit=0.1)
