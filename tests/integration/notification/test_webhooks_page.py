"""The receiver of docs/webhooks.md, run as the page says, takes what is ours and nothing else."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx

from devstack.processes import free_port
from integration.notification.hooks import Hooks
from notification.webhooks.domain import PAUSES, TEST, DeliveryStatus, EventType
from support.databases import ServiceDatabase
from support.events import until
from support.receiver import Receiver

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"


@contextmanager
def running(folder: Path, port: int, secret: str) -> Iterator[Path]:
    """The page's program, answering; gives the file that it prints to."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    script, out = folder / "receiver.py", folder / "out"
    script.write_text(source, "utf-8")
    env = os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(port)}
    with (
        out.open("wb") as told,
        subprocess.Popen(
            [sys.executable, script], env=env, stdout=told, stderr=subprocess.DEVNULL
        ) as program,
    ):
        try:
            until(lambda: _status(port, {}, b"") == 400, "the receiver answers")
            yield out
        finally:
            program.terminate()


async def test_the_pages_receiver_takes_each_event_once_and_no_forgery(
    service_database: Callable[[str], ServiceDatabase], tmp_path: Path
) -> None:
    port = free_port()
    hooks = Hooks(service_database("notification"), Receiver())
    await hooks.open()
    try:
        made = await hooks.endpoint(url=f"http://127.0.0.1:{port}/")
        with running(tmp_path, port, made.secret) as out:
            booked = hooks.booked()
            await hooks.tell(booked)
            await hooks.send()
            delivery, _ = await hooks.only(made)
            assert delivery.status is DeliveryStatus.DELIVERED
            # Again, and signed by two secrets.
            await hooks.rotated(made)
            await hooks.service.resend(hooks.tenant.tenant_id, made.endpoint_id, delivery.delivery_id)
            await hooks.send()
            _, attempts = await hooks.only(made)
            assert [item.http_status for item in attempts] == [204, 204]
            assert out.read_text() == f"appointment.booked {booked.appointment_id}\n"
            for headers in _forged(str(int(hooks.clock().timestamp()))):
                assert _status(port, headers, delivery.body.encode()) == 400
    finally:
        await hooks.db.close()


def _status(port: int, headers: dict[str, str], body: bytes) -> int:
    try:
        return httpx.post(f"http://127.0.0.1:{port}/", content=body, headers=headers).status_code
    except httpx.TransportError:
        return 0


def _forged(now: str) -> list[dict[str, str]]:
    signed = {"webhook-id": "1", "webhook-timestamp": now, "webhook-signature": "v1,AAAA"}
    return [
        {},
        signed,
        signed | {"webhook-timestamp": "1"},
        signed | {"webhook-timestamp": "soon"},
        signed | {"webhook-signature": ""},
    ]


def test_the_page_tells_the_schedule_and_every_type_as_they_are() -> None:
    page = PAGE.read_text("utf-8")
    assert ", ".join(map(_written, PAUSES)) in page
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", page, re.MULTILINE)) == {*EventType, TEST}


def _written(pause: timedelta) -> str:
    seconds = int(pause.total_seconds())
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
