"""`python -m gateway serve|all`; see servicekit.commands."""

from servicekit.commands import main

raise SystemExit(main("gateway"))
