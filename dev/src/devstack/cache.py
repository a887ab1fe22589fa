"""Where what was fetched or built is kept between stacks: jars, the API server, etcd, Mailpit."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.errors import StackError

_TICK_SECONDS = 0.5


def cache_folder() -> Path:
    """SLOTWRIGHT_CACHE, else the user's cache folder. It may be removed at any time: the next start fills it."""
    given = os.environ.get("SLOTWRIGHT_CACHE")
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "slotwright").absolute()


@contextmanager
def one_at_a_time(folder: Path, name: str, on_progress: Callable[[str], None]) -> Iterator[None]:
    """Holds a lock of the cache, made with its folder; whoever comes later waits. Raises StackError.

    `on_progress` is told of the wait; what it raises ends it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("a")
    except OSError as error:
        raise StackError(
            f"{folder} cannot be used ({error.strerror}); set SLOTWRIGHT_CACHE to a folder of yours."
        ) from error
    with lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_progress("waits for another stack that fetches or builds it")
                time.sleep(_TICK_SECONDS)
            else:
                break
        yield
