"""`python -m devstack`: starts, shows and stops the local stack. The Makefile's targets call it.

up [--detach] [--port N]   start everything; without --detach stay, and stop on Ctrl-C
down                       stop everything
status                     what runs, where, and since which restart
logs NAME                  follow a component's log
env                        variables for a shell: eval "$(python -m devstack env)"
kubectl ARGUMENTS          kubectl on the stack's API server
build                      fetch and build what a first start would
clean                      remove the stack's data
"""

import argparse
import contextlib
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.status import Status

from devstack import kafka, servers
from devstack.binaries import ETCD, KUBE_APISERVER, MAILPIT, program
from devstack.errors import StackError
from devstack.lifecycle import INTERRUPTED, start, stop
from devstack.processes import script
from devstack.progress import table
from devstack.stack import Stack
from devstack.state import StackFolder, StackState
from devstack.supervisor import Supervisor


def main() -> int:
    parser = argparse.ArgumentParser(prog="devstack", description="The whole platform on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything")
    up.add_argument("--detach", action="store_true", help="come back once it is up")
    up.add_argument(
        "--port", type=_port, default=None, help="the gateway's; another is taken where it is busy"
    )
    commands.add_parser("supervise").add_argument("--port", type=_port, default=None)
    for name, what in (
        ("down", "stop everything"),
        ("status", "what runs, and where"),
        ("env", "variables for a shell"),
        ("build", "fetch and build what a first start would"),
        ("clean", "remove the stack's data"),
    ):
        commands.add_parser(name, help=what)
    commands.add_parser("logs", help="follow a component's log").add_argument("name", nargs="?", default="")
    kubectl = commands.add_parser("kubectl", help="kubectl on the stack's API server")
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    folder, console = StackFolder(), Console()
    actions: dict[str, Callable[[], int]] = {
        "up": lambda: start(folder, console, detach=given.detach, port=given.port),
        "supervise": lambda: _supervise(folder, given.port),
        "down": lambda: stop(folder, console),
        "status": lambda: _status(folder, console),
        "env": lambda: _env(folder, console),
        "build": lambda: _build(console),
        "clean": lambda: _clean(folder, console),
        "logs": lambda: _logs(folder, console, given.name),
        "kubectl": lambda: _kubectl(folder, console, given.arguments),
    }
    try:
        return actions[given.command]()
    except KeyboardInterrupt:
        return INTERRUPTED


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is no port: 1 to 65535")
    return int(text)


def _supervise(folder: StackFolder, port: int | None) -> int:
    with folder.held() as ours:
        if not ours:
            sys.stderr.write("another supervisor has this stack\n")
            return 1
        supervisor = Supervisor(folder)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, supervisor.on_signal)
        return supervisor.run(lambda given: Stack(folder, port).start(given))


def _status(folder: StackFolder, console: Console) -> int:
    seen = folder.read()
    console.print(f"The stack is {seen.state}.")
    if seen.error:
        console.print(seen.error.strip(), markup=False, highlight=False)
    if seen.state is not StackState.DOWN:
        console.print(table(seen, details=True))
    return 0 if seen.state is StackState.UP else 1


def _env(folder: StackFolder, console: Console) -> int:
    seen = folder.read()
    if seen.state is StackState.DOWN:
        console.print("The stack is not up: `make up` starts it.", style="red")
        return 1
    for name, value in seen.environment.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


def _logs(folder: StackFolder, console: Console, name: str) -> int:
    parts = folder.read().parts
    part = parts.get(name)
    if part is None or not part.log:
        known = ", ".join(sorted(key for key, other in parts.items() if other.log))
        asked = f"There is no log of {name!r}." if name else "Say whose log: `make logs NAME=booking`."
        console.print(f"{asked} There are: {known or 'none, as no stack has run here'}.", style="red")
        return 1
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.call(["tail", "-n", "100", "-F", part.log])
    return 0


def _kubectl(folder: StackFolder, console: Console, arguments: list[str]) -> int:
    if not folder.is_held():
        console.print("The stack is not up: `make up` starts it.", style="red")
        return 1
    return subprocess.call([script("kubectl"), "--kubeconfig", folder.admin_kubeconfig, *arguments])


def _build(console: Console) -> int:
    steps: dict[str, Callable[[Callable[[str], None]], object]] = {
        f"{wanted.name} {wanted.version}": partial(program, wanted)
        for wanted in (ETCD, MAILPIT, KUBE_APISERVER)
    }
    steps[f"kafka {kafka.VERSION}"] = kafka.jars
    for name, step in steps.items():
        try:
            with console.status(name) as status:
                step(partial(_say, status, name))
        except StackError as error:
            console.print(str(error), style="red", markup=False)
            return 1
        console.print(f"{name} is there", highlight=False)
    return 0


def _say(status: Status, name: str, text: str) -> None:
    status.update(f"{name}: {text}")


def _clean(folder: StackFolder, console: Console) -> int:
    if folder.is_held():
        console.print("The stack is up: `make down` first.", style="red")
        return 1
    if folder.path.exists():
        try:
            servers.remove(folder)
        except StackError as error:
            console.print(str(error), style="red", markup=False)
            return 1
        shutil.rmtree(folder.path)
    console.print(f"{folder.path} is gone.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
