"""`python -m web <role>`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("web"))
