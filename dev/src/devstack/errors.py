"""What goes wrong in a local stack, said for a person: what happened, and what to do where that is known.

Every part of the stack raises a StackError of its own kind; the supervisor and the command line show its message as
it is, without a traceback.
"""

import errno
import shutil
from pathlib import Path

_NO_ROOM = 8 << 20
"""Bytes. With less disk space free than this, a failure is put down to the full disk."""
_DISK_FULL_WORDS = ("no space left", "check free disk space")
A_STACK_TAKES = 300 << 20
"""Bytes on disk, its first hours included."""


class StackError(Exception):
    """The stack cannot start or go on; the message is one for a person."""


def explain(error: Exception, folder: Path) -> str:
    """The message, with what to do when the disk of the stack's folder is full; with its type when unforeseen."""
    expected = isinstance(error, (StackError, OSError))
    said = str(error) if expected else f"{type(error).__name__}: {error}"
    return f"{said}\n{no_room(folder)}" if is_full(error, folder) and "SLOTWRIGHT_" not in said else said


def is_full(error: Exception, folder: Path) -> bool:
    """Whether a full disk is the cause: programs say so in words of their own, or die without any."""
    said = str(error).lower()
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or any(
        one in said for one in _DISK_FULL_WORDS
    ):
        return True
    return folder.exists() and shutil.disk_usage(folder).free < _NO_ROOM


def no_room(folder: Path) -> str:
    """What to say of a disk that is full, or too full for a stack."""
    free, takes = shutil.disk_usage(folder).free >> 20, A_STACK_TAKES >> 20
    return (
        f"The disk of {folder} has {free} MB left, and a stack takes {takes}: make room, or set SLOTWRIGHT_STATE"
        " to a folder on another one."
    )


def lacks_room(folder: Path) -> bool:
    """Whether a stack in the folder cannot have all that one takes, what it has already included."""
    has = sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
    return shutil.disk_usage(folder).free + has < A_STACK_TAKES
