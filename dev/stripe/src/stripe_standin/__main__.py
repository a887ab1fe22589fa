"""`python -m stripe_standin`: serves the stand-in until stopped. See settings for its variables."""

import sqlite3
import sys

import uvicorn

from stripe_standin.app import create_app
from stripe_standin.settings import StandinSettings

# Longer than Stripe's library keeps a connection: none may end just as a request is sent into it.
_IDLE_SECONDS = 60


def main() -> int:
    try:
        settings = StandinSettings.from_environment()
        app = create_app(settings)
    except ValueError as error:
        sys.stderr.write(f"stripe_standin: {error}\n")
        return 2
    except sqlite3.Error as error:
        sys.stderr.write(f"stripe_standin: the state file {settings.state_file} cannot be used: {error}\n")
        return 1
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=3,
        )
    )
    server.run()
    return 0 if server.started else 1


raise SystemExit(main())
