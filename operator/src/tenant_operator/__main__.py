"""`python -m tenant_operator run`: everything in one process; see servicekit.runtime for how that starts and ends.

`python -m tenant_operator dead-letters …` is for whoever runs the platform; see tenant_operator.dead_letters.
"""

import argparse

from tenant_operator import dead_letters


def _run() -> int:
    # Imported for this command only: kopf and the API's client take 100 MB, and the other command runs in the
    # operator's pod beside it.
    from servicekit.runtime import run  # noqa: PLC0415
    from tenant_operator.app import SERVICE  # noqa: PLC0415

    return run(SERVICE, "all")


parser = argparse.ArgumentParser(prog="tenant_operator")
commands = parser.add_subparsers(dest="command", required=True)
commands.add_parser("run", help="watch Tenants and Plans until told to stop")
dead_letters.add_arguments(commands.add_parser("dead-letters", help="what consumers could not read"))
given = parser.parse_args()
raise SystemExit(dead_letters.run(given) if given.command == "dead-letters" else _run())
