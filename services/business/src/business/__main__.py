"""`python -m business <role>`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("business"))
