"""`python -m auth rotate-keys`: makes a signing key before its time. Run by whoever runs the platform.

By default the change is seamless: the new key is published first and signs after the overlap. With `--now` it
signs at once and every older key is withdrawn, for when one may have leaked: all access tokens end, once a service
has fetched the keys again (5 minutes at most), and clients refresh. For 10 s or so some processes of auth have not
read the new key yet, and a service that has fetched the keys from one of them refuses valid tokens.
"""

import argparse
import asyncio
from collections.abc import Sequence

import psycopg
import structlog
from pydantic import ValidationError

from auth import queue_store
from auth.keyring import Seal, new_key
from auth.settings import AuthSettings
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.errors import Unavailable
from servicekit.logging import configure_logging
from servicekit.settings import DatabaseSettings

log = structlog.get_logger(__name__)


def rotate(argv: Sequence[str]) -> int:
    """The command line; answers the exit code."""
    parser = argparse.ArgumentParser(prog="auth rotate-keys")
    parser.add_argument("--now", action="store_true", help="sign at once and withdraw every older key")
    at_once = parser.parse_args(argv).now
    configure_logging("auth", "info", "console")
    try:
        settings = AuthSettings()
    except ValidationError as error:
        log.error("settings are wrong", faults=error.errors(include_input=False, include_url=False))
        return 2
    try:
        kid = asyncio.run(_rotate(settings, at_once=at_once))
    except (Unavailable, psycopg.Error) as error:
        log.error("keys not rotated", error=str(error).strip())
        return 1
    log.info(
        "signing key made", kid=kid, older_keys="withdrawn" if at_once else "sign until the overlap ends"
    )
    return 0


async def _rotate(settings: AuthSettings, *, at_once: bool) -> str:
    db = Database(DatabaseSettings(), application="auth-rotate-keys")
    await db.open()
    try:
        now = utc_now()
        async with db.public() as conn:
            await queue_store.lock_signing_keys(conn)
            if at_once:
                older = [key.kid for key in await queue_store.signing_keys(conn)]
                await queue_store.delete_signing_keys(conn, older)
            signs_from = now if at_once else now + settings.key_times().overlap
            made = new_key(Seal(settings.sealing_key()), signs_from)
            await queue_store.add_signing_key(conn, made)
        return made.kid
    finally:
        await db.close()
