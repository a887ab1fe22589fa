"""`python -m web <role>`; see servicekit.runtime."""

from servicekit.runtime import main
from web.app import SERVICE

raise SystemExit(main(SERVICE))
