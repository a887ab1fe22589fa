"""kopf watches Tenants and Plans; its handlers hand on what they see, and that is all they do.

They are `on.event` handlers: kopf then keeps no state on the objects, adds no finalizer or annotation, and patches
nothing, so a restart over settled tenants writes nothing. What a create, an update, a resume or a deletion needs
is for `reconcile` to see. kopf runs in a thread with a loop of its own, because it takes over the signals of the
main thread and cancels every task of its loop when it ends.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import kopf
import structlog

from servicekit.health import Heartbeat
from servicekit.loops import pause_for, wait_until
from tenant_operator.domain import GROUP, VERSION, Body
from tenant_operator.objects import Notice

log = structlog.get_logger(__name__)

_TURN_SECONDS = 1.0
_ANSWER_SECONDS = 20.0


class Watch:
    """A loop for the runtime. Begins once `first` is set: all objects have been listed, and it adds to them."""

    name = "operator.watch"

    def __init__(self, notice: Notice, first: asyncio.Event) -> None:
        self._notice = notice
        self._first = first

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Runs kopf until told to stop; beats while kopf's own loop answers."""
        await wait_until(self._first, stop, beat)
        if stop.is_set():
            return
        here = asyncio.get_running_loop()
        there: asyncio.Future[asyncio.AbstractEventLoop] = here.create_future()
        end = threading.Event()

        def notice(kind: str, change: str | None, body: Body) -> None:
            here.call_soon_threadsafe(self._notice, kind, change, body)

        registry = handlers(notice, lambda loop: here.call_soon_threadsafe(there.set_result, loop))
        watching = asyncio.create_task(asyncio.to_thread(_watch, registry, end))
        try:
            while not stop.is_set() and not watching.done():
                if there.done():
                    answer = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), there.result())
                    await asyncio.wait_for(asyncio.wrap_future(answer), _ANSWER_SECONDS)
                    beat.beat()
                await pause_for(_TURN_SECONDS, stop)
        finally:
            end.set()
            await watching


def handlers(notice: Notice, started: Callable[[asyncio.AbstractEventLoop], object]) -> kopf.OperatorRegistry:
    """The registry of all handlers; they run in kopf's thread."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings)
        started(asyncio.get_running_loop())

    @kopf.on.event(GROUP, VERSION, "tenants", registry=registry)
    async def tenant(event: kopf.RawEvent, **_: Any) -> None:
        notice("Tenant", event["type"], dict(event["object"]))

    @kopf.on.event(GROUP, VERSION, "plans", registry=registry)
    async def plan(event: kopf.RawEvent, **_: Any) -> None:
        notice("Plan", event["type"], dict(event["object"]))

    return registry


def _configure(settings: kopf.OperatorSettings) -> None:
    """Names in our group for what kopf would write on objects, should a handler ever be added that needs it."""
    settings.persistence.finalizer = f"{GROUP}/watch"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.posting.enabled = False
    settings.scanning.disabled = True  # the CRDs are there, as the lists before this succeeded
    settings.process.ultimate_exiting_timeout = None  # kopf would kill the whole process
    settings.queueing.idle_timeout = 0.5
    # It would tell of every event that was handed on; the controller tells what is done about it.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)


def _watch(registry: kopf.OperatorRegistry, end: threading.Event) -> None:
    """Runs kopf until told to stop; raises what it has ended by."""
    asyncio.run(_operate(registry, end))


async def _operate(registry: kopf.OperatorRegistry, end: threading.Event) -> None:
    try:
        await kopf.operator(registry=registry, clusterwide=True, standalone=True, stop_flag=end)
    finally:
        # One of this loop's threads waits for `end`, and the loop, before it ends, for its threads; it goes on
        # answering meanwhile. So a watch that the API server has refused would be taken for one that lives.
        end.set()
