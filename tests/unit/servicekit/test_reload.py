"""The wrapper that `tilt up` runs a service under, as the process it is."""

import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue
from typing import IO

from servicekit.reload import copy_packages

_SECONDS = 20
_PROGRAM = """
import signal, sys, servicekit
from program import stamp
print(stamp.VALUE, sys.argv[1:], servicekit.__file__, flush=True)
signal.pause()
"""


def _pass_on(out: IO[str], lines: Queue[str]) -> None:
    for line in out:
        lines.put(line.strip())


def test_the_projects_own_packages_are_copied_and_no_others(tmp_path: Path) -> None:
    site, copied = tmp_path / "site", tmp_path / "code"
    for distribution, package in (("slotwright_booking", "booking"), ("somebody_elses", "other")):
        (site / package / "sql").mkdir(parents=True)
        (site / package / "__init__.py").write_text("")
        (site / package / "sql" / "queries.sql").write_text("SELECT 1")
        info = site / f"{distribution}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution.replace('_', '-')}\nVersion: 1\n")
        files = [f"{package}/__init__.py", f"{package}/sql/queries.sql", f"{info.name}/METADATA"]
        (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    copy_packages(copied, [str(site)])
    files_there = {str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()}
    assert files_there == {"booking/__init__.py", "booking/sql/queries.sql"}


def test_a_changed_file_starts_the_command_anew(tmp_path: Path) -> None:
    """With what was copied first on the path, servicekit itself among it."""
    code = tmp_path / "code"
    for package in ("program", "servicekit"):
        (code / package).mkdir(parents=True)
        (code / package / "__init__.py").touch()
    (code / "program" / "__main__.py").write_text(_PROGRAM)
    stamp = code / "program" / "stamp.py"
    stamp.write_text("VALUE = 'first'\n")
    wrapper = subprocess.Popen(
        [sys.executable, "-m", "servicekit.reload", "--from", code, "--", "program", "all"],
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: Queue[str] = Queue()
    assert wrapper.stdout is not None
    threading.Thread(target=_pass_on, args=(wrapper.stdout, lines), daemon=True).start()
    try:
        place = code / "servicekit" / "__init__.py"
        assert lines.get(timeout=_SECONDS) == f"first ['all'] {place}"
        stamp.write_text("VALUE = 'oops'; raise ValueError\n")
        stamp.write_text("VALUE = 'second'\n")
        assert lines.get(timeout=_SECONDS) == f"second ['all'] {place}"
    finally:
        wrapper.terminate()
        assert wrapper.wait(_SECONDS) == 0
