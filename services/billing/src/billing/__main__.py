"""`python -m billing <role>`; see servicekit.runtime."""

from billing.app import SERVICE
from servicekit.runtime import main

raise SystemExit(main(SERVICE))
