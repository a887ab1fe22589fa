"""`python -m booking <role>`; see servicekit.runtime."""

from booking.app import SERVICE
from servicekit.runtime import main

raise SystemExit(main(SERVICE))
