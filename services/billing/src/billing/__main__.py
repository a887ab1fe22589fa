"""`python -m billing <role>`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("billing"))
