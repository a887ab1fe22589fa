"""`python -m gateway serve|all`; see servicekit.runtime."""

from gateway.app import SERVICE
from servicekit.runtime import main

raise SystemExit(main(SERVICE))
