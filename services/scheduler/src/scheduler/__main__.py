"""`python -m scheduler <role>`; see servicekit.runtime."""

from scheduler.app import SERVICE
from servicekit.runtime import main

raise SystemExit(main(SERVICE))
