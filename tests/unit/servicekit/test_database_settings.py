"""How a database's URL and its password come together."""

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from servicekit.settings import DatabaseSettings


def test_a_password_beside_the_url_is_used_whatever_it_is_made_of() -> None:
    awkward = "p@ss/w'o\\rd %20?&="
    settings = DatabaseSettings(
        database_url=SecretStr("postgresql://booking_app@db:5433/booking?sslmode=verify-full"),
        database_password=SecretStr(awkward),
        migration_database_url=SecretStr("postgresql://booking_owner@db/booking"),
        migration_database_password=SecretStr("other"),
    )
    assert conninfo_to_dict(settings.conninfo()) == {
        "user": "booking_app",
        "host": "db",
        "port": "5433",
        "dbname": "booking",
        "sslmode": "verify-full",
        "password": awkward,
    }
    assert conninfo_to_dict(settings.migration_conninfo())["password"] == "other"


def test_a_url_may_hold_its_password() -> None:
    settings = DatabaseSettings(database_url=SecretStr("postgresql://a:b@db/c"))
    assert psycopg.conninfo.conninfo_to_dict(settings.conninfo())["password"] == "b"
