"""`python -m tenant_operator run`: everything in one process; see servicekit.runtime for how it lives."""

import argparse

from servicekit.runtime import main
from tenant_operator.app import SERVICE

parser = argparse.ArgumentParser(prog="tenant_operator")
parser.add_subparsers(required=True).add_parser("run", help="watch Tenants and Plans until told to stop")
parser.parse_args()
raise SystemExit(main(SERVICE, ["all"]))
