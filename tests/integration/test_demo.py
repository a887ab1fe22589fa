"""The demo itself, in a stack of its own: from `kubectl apply` to the reminder, twice, and then nothing is left.

Takes about a minute: it starts all the servers and services that `make demo` starts.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.mailpit import Mailbox
from devstack.state import StackFolder, StackState
from devstack.story import Places, Story


def devstack(folder: StackFolder, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the local stack, as a person's shell runs it."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=os.environ | {"SLOTWRIGHT_STATE": str(folder.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def processes_of(folder: StackFolder) -> list[str]:
    """What runs with the stack's folder in its arguments or its environment."""
    mark = str(folder.path).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
        if process.name != str(os.getpid()) and mark in words:
            found.append(words.decode("utf-8", "replace"))
    return found


@pytest.fixture
def folder() -> Iterator[StackFolder]:
    """Outside pytest's own folder: PostgreSQL may run as another user, who cannot pass through that."""
    with tempfile.TemporaryDirectory(prefix="slotwright-test-") as home:
        Path(home).chmod(0o711)
        made = StackFolder(Path(home, "stack"))
        try:
            yield made
        finally:
            devstack(made, "devstack", "down")


def test_the_demo_proves_every_step_may_be_run_again_and_leaves_nothing(folder: StackFolder) -> None:
    first = devstack(folder, "devstack.demo")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "All steps are proven" in first.stdout

    seen = folder.read()
    assert seen.state is StackState.UP
    url, mail, kubeconfig = (
        seen.environment[name] for name in ("SLOTWRIGHT_URL", "SLOTWRIGHT_MAIL_URL", "KUBECONFIG")
    )
    password = (folder.path / "demo.json").read_text("utf-8").split('"')[7]
    assert (folder.path / "demo.json").stat().st_mode & 0o77 == 0
    story = Story(Places(url, mail, Path(kubeconfig)), password)
    try:
        for step in story.steps():
            assert step.tell(), step.title
        subjects = [item["Subject"].split(":")[0] for item in Mailbox(mail).to(story.customer)]
    finally:
        story.close()
    assert subjects == ["Booked", "Reminder"]

    down = devstack(folder, "devstack", "down")
    assert down.returncode == 0, down.stdout
    assert processes_of(folder) == []
