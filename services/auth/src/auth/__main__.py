"""`python -m auth <role>`, see servicekit.commands; and `python -m auth rotate-keys`, see auth.rotation."""

import sys

from servicekit.commands import main


def _rotate(arguments: list[str]) -> int:
    from auth.rotation import rotate  # noqa: PLC0415 - no role needs it

    return rotate(arguments)


command = sys.argv[1:2]
raise SystemExit(_rotate(sys.argv[2:]) if command == ["rotate-keys"] else main("auth"))
