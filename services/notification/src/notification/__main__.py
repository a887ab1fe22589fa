"""`python -m notification <role>`; see servicekit.runtime."""

from notification.app import SERVICE
from servicekit.runtime import main

raise SystemExit(main(SERVICE))
