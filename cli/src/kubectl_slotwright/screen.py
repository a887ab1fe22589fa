"""Text for people: tables and trees, aligned, with colour where a terminal shows it. Used by every command."""

import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

import click

GOOD, BAD, UNSURE, FAINT = "green", "red", "yellow", "bright_black"
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Screen:
    """What the terminal can show."""

    colour: bool = False
    unicode: bool = True

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str]) -> "Screen":
        """Colour only on a terminal, and not where NO_COLOR is set (no-color.org) or the terminal is dumb."""
        plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        return cls(colour=stream.isatty() and not plain, unicode=_takes(stream.encoding, "├└│─✓✗"))

    def paint(self, text: str, colour: str | None) -> str:
        return click.style(text, fg=colour) if self.colour and colour else text

    def mark(self, verdict: str) -> str:
        """A sign for GOOD, BAD or UNSURE."""
        signs = {GOOD: "✓", BAD: "✗"} if self.unicode else {GOOD: "+", BAD: "x"}
        return self.paint(signs.get(verdict, "?"), verdict)

    @property
    def branches(self) -> tuple[str, str, str, str]:
        """What stands before a branch, the last branch, what is below a branch, and below the last one."""
        return ("├─ ", "└─ ", "│  ", "   ") if self.unicode else ("|- ", "`- ", "|  ", "   ")


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell with a colour."""

    text: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of a tree, and what hangs on it: branches, or plain lines."""

    line: str
    leaves: Sequence[str] = ()
    branches: "Sequence[Branch]" = field(default=())


def table(
    rows: Iterable[Sequence[str | Cell]], screen: Screen, *, right: frozenset[int] = frozenset()
) -> list[str]:
    """The rows as lines, their columns aligned; those in `right` to the right."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    cells = [[Cell(clean(cell.text), cell.colour) for cell in row] for row in cells]
    widths: dict[int, int] = {}
    for row in cells:
        for number, cell in enumerate(row):
            widths[number] = max(widths.get(number, 0), width(cell.text))
    return [_GAP.join(_padded(row, widths, screen, right)).rstrip() for row in cells]


def _padded(
    row: Sequence[Cell], widths: Mapping[int, int], screen: Screen, right: frozenset[int]
) -> Iterable[str]:
    for number, cell in enumerate(row):
        space = " " * (widths[number] - width(cell.text))
        text = screen.paint(cell.text, cell.colour)
        yield space + text if number in right else text + space


def tree(root: str, branches: Sequence[Branch], screen: Screen) -> list[str]:
    """The root's line, and below it the branches with their leaves."""
    before, before_last, below, below_last = screen.branches
    lines = [root]
    for branch in branches:
        last = branch is branches[-1]
        under = below_last if last else below
        lines.append((before_last if last else before) + branch.line)
        lines += [f"{under}  {leaf}".rstrip() for leaf in branch.leaves]
        lines += [under + line for line in tree("", branch.branches, screen)[1:]]
    return lines


def pairs(found: Mapping[str, str], screen: Screen) -> list[str]:
    """Names and values, aligned."""
    return table([(Cell(name, FAINT), value) for name, value in found.items()], screen)


def clean(text: str) -> str:
    """One line without control characters: what others have written must not steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def to_the_second(time: str) -> str:
    """A time of RFC 3339 in UTC, without its fraction; what is none stays as it is."""
    try:
        return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return time


def width(text: str) -> int:
    """The columns that a terminal gives the text."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _takes(encoding: str | None, text: str) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def make_streams_safe() -> None:
    """A character that the terminal's encoding lacks is shown by its number, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
