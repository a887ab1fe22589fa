"""`python -m scheduler <role>`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("scheduler"))
