"""`python -m analytics <role>`; see servicekit.runtime."""

from analytics.app import SERVICE
from servicekit.runtime import main

raise SystemExit(main(SERVICE))
