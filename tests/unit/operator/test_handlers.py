"""The thread in which kopf runs."""

import threading
from concurrent.futures import ThreadPoolExecutor

import kopf
import pytest

from tenant_operator.handlers import _watch


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:coroutine 'authenticator' was never awaited")
def test_a_watch_that_ends_by_itself_is_not_taken_for_one_that_goes_on() -> None:
    """As one that the API server has refused: its loop would turn for minutes, and the operator see nothing.

    Takes the 5 s that kopf gives its tasks to end.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def fail(**_: object) -> None:
        raise kopf.PermanentError("refused")

    told = threading.Event()
    with ThreadPoolExecutor() as threads:
        watching = threads.submit(_watch, registry, told)
        try:
            assert watching.exception(timeout=60) is not None
        finally:
            told.set()
