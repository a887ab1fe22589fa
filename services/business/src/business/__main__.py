"""`python -m business <role>`; see servicekit.runtime."""

from business.app import SERVICE
from servicekit.runtime import main

raise SystemExit(main(SERVICE))
