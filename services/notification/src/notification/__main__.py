"""`python -m notification <role>`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("notification"))
