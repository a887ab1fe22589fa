"""Runs a service in one of its roles: serve, consume, relay, all.

Called by servicekit.commands with the service's `Service`. Every role answers /healthz, /readyz and /metrics. A
loop that dies ends the process with exit code 1, after a log line that says why, so that its supervisor starts it
anew: no process goes on without one of its loops.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from servicekit.db import Database
from servicekit.health import Health, Heartbeat, ReadinessCheck
from servicekit.http.app import create_app
from servicekit.http.drain import CloseWhenDraining, DrainingServer
from servicekit.http.protocol import BoundedProtocol
from servicekit.http.routes import Router
from servicekit.http.tokens import TokenVerifier
from servicekit.logging import configure_logging
from servicekit.settings import Settings, from_environment
from servicekit.tracing import configure_tracing

log = structlog.get_logger(__name__)

_GRACE_SECONDS = 10
"""How long requests, and then loops, have to end. With `_LAST_SECONDS`, and 5 s for the pool, that is 30 s, on
which the charts rely."""
_LAST_SECONDS = 5
"""How long a cancelled loop has to release what it holds."""
_GC_THRESHOLD = 20_000
"""New objects after which Python looks for garbage. Its default of 700 comes to one look a request."""


class Loop(Protocol):
    """A background loop: turns until `stop` is set, and beats each time it turns."""

    name: str

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of, as its `app.build` wires it.

    `loops` run in every role (keys, in-memory read models), `consumers` in consume and all, `relays` in relay and
    all; routers only in serve and all. `checks` decide readiness of the roles that serve.
    """

    routers: Sequence[Router] = ()
    service: object | None = None
    verifier: TokenVerifier | None = None
    database: Database | None = None
    loops: Sequence[Loop] = ()
    consumers: Sequence[Loop] = ()
    relays: Sequence[Loop] = ()
    checks: Sequence[ReadinessCheck] = ()
    customize: Callable[[FastAPI], None] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Service:
    """A service's name, its settings, and how its parts are wired."""

    name: str
    settings: Callable[[], Settings]
    build: Callable[[Settings], Parts]


def run(service: Service, role: str) -> int:
    """Runs it in a role until it is told to stop, or cannot go on; answers the exit code."""
    settings = from_environment(service.name, service.settings)
    if settings is None:
        return 2
    configure_logging(service.name, settings.log_level, settings.log_format)
    configure_tracing(service.name, settings.otlp_endpoint)
    return uvloop.run(_run(service, settings, role))


async def _run(service: Service, settings: Settings, role: str) -> int:
    health = Health()
    parts = service.build(settings)
    serves = role in {"all", "serve"}
    loops = [
        *parts.loops,
        *(parts.consumers if role in {"all", "consume"} else ()),
        *(parts.relays if role in {"all", "relay"} else ()),
    ]
    if parts.database is not None:
        health.require(parts.database.ready)
    for check in parts.checks if serves else ():
        health.require(check)
    group = LoopGroup(loops, health)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if parts.database is not None:
                await parts.database.open()
                stack.push_async_callback(parts.database.close)
            await stack.enter_async_context(group.running(server))
            _collect_less()
            yield

    app = create_app(
        service.name,
        settings,
        health,
        routers=parts.routers if serves else (),
        service=parts.service,
        verifier=parts.verifier,
        lifespan=lifespan,
    )
    if parts.customize is not None and serves:
        parts.customize(app)
    config = uvicorn.Config(
        lambda: CloseWhenDraining(app, server),
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        http=BoundedProtocol,
        access_log=False,
        server_header=False,
        # uvicorn would believe X-Forwarded-For of any peer on this machine; who needs it reads it by its own rule.
        proxy_headers=False,
        date_header=True,
        timeout_keep_alive=settings.idle_seconds,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        lifespan="on",
    )
    server = DrainingServer(config, settings.drain_seconds)
    await server.serve()
    return 1 if group.failed or not server.started else 0


def _collect_less() -> None:
    """Garbage is collected less often, and not looked for among what the start has made, as that stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, *gc.get_threshold()[1:])


class LoopGroup:
    """Runs loops beside a server; the first that dies takes the process down."""

    def __init__(self, loops: Sequence[Loop], health: Health) -> None:
        self._loops = loops
        self._health = health
        self.failed = False

    @asynccontextmanager
    async def running(self, server: uvicorn.Server) -> AsyncIterator[None]:
        """Starts the loops; at the end tells them to stop and waits for them."""
        stop = asyncio.Event()
        tasks = [
            asyncio.create_task(
                self._guard(loop, self._health.heartbeat(loop.name), stop, server), name=loop.name
            )
            for loop in self._loops
        ]
        try:
            yield
        finally:
            stop.set()
            if tasks:
                _done, late = await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
                for task in late:
                    log.warning("loop did not stop in time", loop=task.get_name())
                    task.cancel()
                if late:
                    await asyncio.wait(late, timeout=_LAST_SECONDS)

    async def _guard(self, loop: Loop, beat: Heartbeat, stop: asyncio.Event, server: uvicorn.Server) -> None:
        try:
            await loop.run(stop, beat)
        except Exception as error:
            log.error("a loop died, stopping the process", loop=loop.name, exc_info=error)
            beat.end(f"{type(error).__name__}: {error}")
        else:
            if stop.is_set():
                return
            log.error("a loop ended early, stopping the process", loop=loop.name)
            beat.end("it returned")
        self.failed = True
        server.should_exit = True
