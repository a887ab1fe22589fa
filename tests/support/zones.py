"""A time zone that comes while a process runs, for tests of when the names of zones are read."""

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from servicekit.localtime import zone_names


@contextmanager
def later_zone(folder: Path) -> Iterator[str]:
    """Its name; its file comes to stand in the empty `folder`, after the names were read, where zoneinfo looks."""
    zone_names()
    name = "Mars/Olympus"
    (folder / "Mars").mkdir()
    (folder / name).write_bytes(resources.files("tzdata").joinpath("zoneinfo/UTC").read_bytes())
    zoneinfo.reset_tzpath(to=[str(folder)])
    try:
        assert name in zoneinfo.available_timezones()
        yield name
    finally:
        zoneinfo.reset_tzpath()
