"""Where what was fetched or built is kept between stacks: jars, the API server, etcd, Mailpit."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """SLOTWRIGHT_CACHE, else the user's cache folder. It may be removed at any time: the next start fills it."""
    given = os.environ.get("SLOTWRIGHT_CACHE")
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "slotwright").absolute()
