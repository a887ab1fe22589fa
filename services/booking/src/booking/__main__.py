"""`python -m booking <role>`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("booking"))
