"""`python -m analytics <role>`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("analytics"))
