"""The local PostgreSQL where its folder lies in one that nobody else may enter, as root's home is."""

import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from devstack import postgres
from devstack.postgres import Postgres, remove


def test_it_starts_again_with_its_data_in_a_closed_folder_and_is_removed_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Takes a few seconds: a cluster is made and started twice. The wheel lies in a closed folder, too."""
    with (
        tempfile.TemporaryDirectory(prefix="slotwright-test-") as closed,
        tempfile.TemporaryDirectory(prefix="slotwright-test-") as closed_too,
    ):
        assert Path(closed).stat().st_mode & 0o077 == Path(closed_too).stat().st_mode & 0o077 == 0
        wheel = postgres._wheel()
        for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(part, Path(closed_too, part.name), symlinks=True)
        monkeypatch.setattr(postgres, "_wheel", lambda: Path(closed_too, wheel.name))
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
