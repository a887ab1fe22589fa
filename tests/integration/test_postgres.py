"""The local PostgreSQL where its folder lies in one that nobody else may enter, as root's home is."""

import tempfile
from pathlib import Path

import psycopg

from devstack.postgres import Postgres, remove


def test_it_starts_again_with_its_data_in_a_closed_folder_and_is_removed_whole() -> None:
    """Takes a few seconds: a cluster is made and started twice."""
    with tempfile.TemporaryDirectory(prefix="slotwright-test-") as closed:
        assert Path(closed).stat().st_mode & 0o077 == 0
        folder = Path(closed, "postgres")
        for statement in ("CREATE TABLE kept (number int)", "INSERT INTO kept VALUES (1)"):
            server = Postgres(folder, settings={"fsync": "off"})
            server.start()
            try:
                with psycopg.connect(server.url()) as conn:
                    conn.execute(statement.encode())
            finally:
                server.stop()
        home = folder.resolve()
        assert (home / "data").is_dir()
        remove(folder)
        assert not home.exists()
        assert list(Path(closed).iterdir()) == []
