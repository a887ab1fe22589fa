"""`make demo`: brings the stack up unless it is, tells the story step by step, and says where to look next.

What it leaves is a running stack with a business in it. The owner's password is kept with the stack's data, so
that the demo can be run again.
"""

import json
import sys
import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from devstack.lifecycle import INTERRUPTED, start
from devstack.state import Snapshot, StackFolder
from devstack.story import OWNER, SLUG, Places, Story, StoryError


def main() -> int:
    folder, console = StackFolder(), Console()
    begun = time.monotonic()
    if code := start(folder, console, detach=True):
        return code
    seen = folder.read()
    kept = folder.path / "demo.json"
    story = Story(
        Places(
            seen.environment["SLOTWRIGHT_URL"],
            seen.environment["SLOTWRIGHT_MAIL_URL"],
            Path(seen.environment["KUBECONFIG"]),
        ),
        _password(kept),
    )
    try:
        for number, step in enumerate(story.steps(), 1):
            with console.status(f"{number}. {step.title} …"):
                at = time.monotonic()
                proofs = step.tell()
            took = time.monotonic() - at
            console.print(
                f"[green]✓[/] {number}. [bold]{step.title}[/] [dim]({took:.1f} s)[/]", highlight=False
            )
            for line in proofs:
                console.print(f"     {line}", markup=False, highlight=False, soft_wrap=True)
            if story.password:
                _keep(kept, story.password)
    except (StoryError, httpx.HTTPError) as error:
        console.print(f"[red]✗ {number}. {step.title}[/]", highlight=False)
        console.print(f"     {error or type(error).__name__}", markup=False, highlight=False, soft_wrap=True)
        console.print(
            "`make status` says how the parts are doing, `.venv/bin/python -m devstack logs NAME` what one of"
            " them says. The stack stays up; `make down` stops it."
        )
        return 1
    except KeyboardInterrupt:
        console.print("The story was broken off. The stack stays up; `make down` stops it.")
        return INTERRUPTED
    finally:
        story.close()
    console.print(f"All steps are proven, in {time.monotonic() - begun:.0f} s with the start of the stack.\n")
    _show_places(console, seen, story.password or "")
    return 0


def _password(kept: Path) -> str | None:
    try:
        return str(json.loads(kept.read_text("utf-8"))["password"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _keep(kept: Path, password: str) -> None:
    kept.touch(mode=0o600)
    kept.write_text(json.dumps({"email": OWNER, "password": password}), "utf-8")


def _show_places(console: Console, seen: Snapshot, password: str) -> None:
    url, mail = seen.environment["SLOTWRIGHT_URL"], seen.environment["SLOTWRIGHT_MAIL_URL"]
    python = Path(sys.executable).parent.name
    rows = {
        "booking page": f"{url}/b/{SLUG}",
        "dashboard": f"{url}/dashboard",
        "  sign in with": f"{OWNER}  {password}",
        "REST API": f"{url}/openapi.json",
        "mails": f"{mail}/api/v1/messages; the last one: {mail}/view/latest.txt",
        "Stripe": seen.environment["SLOTWRIGHT_STRIPE_URL"] or "the real one, test mode",
        "tenants": f".venv/{python}/python -m devstack kubectl get tenants -o wide",
        "shell": f'eval "$(.venv/{python}/python -m devstack env)"',
        "how it is doing": "make status",
        "again": "make demo",
        "stop": "make down",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value)
    console.print(table, soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(main())
