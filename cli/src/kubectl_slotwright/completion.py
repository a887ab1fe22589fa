"""Completion for `kubectl slotwright`: what kubectl's own completion calls as `kubectl_complete-slotwright`.

The protocol is kubectl's for plugins: the words after `kubectl slotwright` are the arguments, the last of them is
the one being typed, and may be empty. A candidate a line, with a description behind a tab; the last line is Cobra's
directive. Source: kubernetes/enhancements, KEP 2379, "Shell Completion Support".
"""

import sys
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem, ShellComplete

from kubectl_slotwright.app import PROGRAM, cli

NO_FILES = ":4"
FILES = ":0"


def answer(words: Sequence[str]) -> list[str]:
    """The lines for these words."""
    *before, typed = words or ("",)
    try:
        found = ShellComplete(cli, {}, PROGRAM, "").get_completions(before, typed)
    except click.ClickException:  # what stands before is no command of ours
        found = []
    if any(item.type in {"file", "dir"} for item in found):
        return [FILES]
    return [*(_line(item) for item in found), NO_FILES]


def _line(item: CompletionItem[str]) -> str:
    help_text = " ".join((item.help or "").split())
    return f"{item.value}\t{help_text}" if help_text else str(item.value)


def main() -> None:
    """The console script. Whatever goes wrong, nobody is told: the person is in the middle of a line."""
    for line in answer(sys.argv[1:]):
        click.echo(line)
