"""The examples of docs/booking.md, run as a reader would run them. Called by test_platform.py.

The page's `sh` blocks are one bash script, its `python` block is the file that the script runs; the `text` block
behind an `sh` block is what that one prints.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "booking.md"
PROGRAM = "clocks.py"
_BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_END = "--- end of block"


def shown() -> tuple[list[str], list[str], str]:
    """The page's scripts, what it says that each prints, and its program."""
    scripts: list[str] = []
    printed: list[str] = []
    programs: list[str] = []
    for kind, content in _BLOCK.findall(PAGE.read_text("utf-8")):
        if kind == "sh":
            scripts.append(content)
            printed.append("")
        elif kind == "text":
            printed[-1] = content
        else:
            programs.append(content)
    (program,) = programs
    return scripts, printed, program


def run(folder: Path, **env: str) -> list[str]:
    """What each of the page's scripts prints; the test fails with bash's own words where one does."""
    scripts, _printed, program = shown()
    (folder / PROGRAM).write_text(program, "utf-8")
    done = subprocess.run(
        ["bash", "-eu", "-c", "".join(f"{each}echo '{_END}'\n" for each in scripts)],
        cwd=folder,
        env=os.environ | env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{_END}\n")[:-1]
