"""How much memory a component's processes hold, for `status`: the proportional share, in which what processes have
in common (libraries, PostgreSQL's buffers) is counted once over all of them.

Source: proc_pid_smaps_rollup(5).
"""

import re
from pathlib import Path

import psutil

_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def held_by(pid: int) -> int:
    """Bytes of the process and all below it; 0 for what is gone or cannot be seen."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0
    return sum(_share(number) for number in (pid, *(one.pid for one in below)))


def _share(pid: int) -> int:
    try:
        found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"))
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
