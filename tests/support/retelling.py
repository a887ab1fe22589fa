"""`python -m <service> retell`, as it is run after a restore. Used by booking's and business's tests."""

import os
import subprocess
import sys


def retell(service: str, database_url: str) -> None:
    """Runs it to its end; it has succeeded then."""
    done = retelling(service, database_url)
    assert done.returncode == 0, done.stdout + done.stderr


def retelling(service: str, database_url: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, whatever that is."""
    return subprocess.run(
        [sys.executable, "-m", service, "retell"],
        env=os.environ | {"SLOTWRIGHT_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
