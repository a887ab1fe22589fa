"""What every command has: which cluster, which form of output. `with_session` adds the options to a command.

The options may stand before the command or behind it, as people are used to from kubectl.
"""

import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

from kubectl_slotwright.errors import PluginError
from kubectl_slotwright.kubectl import NAMESPACE, Kubectl
from kubectl_slotwright.screen import Screen

P = ParamSpec("P")
R = TypeVar("R")

TEXT, JSON = "text", "json"
_COMPLETION_PATIENCE = "3s"
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Session:
    """The cluster and the form of one run."""

    kubectl: Kubectl
    output: str
    screen: Screen

    def emit(self, body: Mapping[str, Any], text: Iterable[str]) -> None:
        """Prints the result on stdout in the form that was asked for."""
        if self.output == JSON:
            click.echo(json.dumps(body, indent=2))
            return
        for line in text:
            click.echo(line, color=self.screen.colour)

    def tell(self, sentence: str) -> None:
        """How it goes, on stderr: stdout has the result alone."""
        click.echo(sentence, err=True)


class Duration(click.ParamType[float]):
    """Seconds from `90`, `90s`, `5m` or `1h`, as kubectl takes them."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d+)([smh]?)", value)
        if found is None:
            self.fail(
                f"{value!r} is no time; give seconds or a number with s, m or h, such as 5m.", param, ctx
            )
        return float(int(found[1]) * _UNITS[found[2]])


def complete_contexts(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    return _names(
        lambda kubectl: kubectl.run("config", "get-contexts", "--output=name").split(), ctx, incomplete
    )


def complete_tenants(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    return _names(lambda kubectl: [item["metadata"]["name"] for item in kubectl.tenants()], ctx, incomplete)


def complete_plans(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    return _names(lambda kubectl: [item["metadata"]["name"] for item in kubectl.plans()], ctx, incomplete)


def kubectl_of(ctx: click.Context) -> Kubectl:
    """kubectl with what was said behind the command, before it, or not at all."""
    said: dict[str, str] = {}
    place: click.Context | None = ctx
    while place is not None:
        for name in ("context", "kubeconfig", "namespace"):
            if place.params.get(name) is not None:
                said.setdefault(name, place.params[name])
        place = place.parent
    return Kubectl(said.get("context"), said.get("kubeconfig"), said.get("namespace", NAMESPACE))


_OPTIONS = (
    click.option("--context", help="The kubeconfig's context.", shell_complete=complete_contexts),
    click.option("--kubeconfig", type=click.Path(), help="The kubeconfig file."),
    click.option("-n", "--namespace", help=f"Where the operator runs.  [default: {NAMESPACE}]"),
    click.option(
        "-o", "--output", type=click.Choice([TEXT, JSON]), help="The form of the result.  [default: text]"
    ),
)


def session_options(command: Callable[P, R]) -> Callable[P, R]:
    """The options alone, for a group: its commands find them by `with_session`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def with_session(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """Adds the options to a command, and gives it what they say as its first argument."""

    @session_options
    @click.pass_context
    @functools.wraps(command)
    def run(ctx: click.Context, /, *given: P.args, **named: P.kwargs) -> R:
        for name in ("context", "kubeconfig", "namespace"):
            named.pop(name)
        outputs = (named.pop("output"), *(place.params.get("output") for place in _above(ctx)))
        output = next((str(said) for said in outputs if said is not None), TEXT)
        return command(Session(kubectl_of(ctx), output, Screen.of(sys.stdout, os.environ)), *given, **named)

    return run


def _above(ctx: click.Context) -> Iterable[click.Context]:
    while ctx.parent is not None:
        ctx = ctx.parent
        yield ctx


def _names(
    ask: Callable[[Kubectl], Iterable[str]], ctx: click.Context, incomplete: str
) -> list[CompletionItem[str]]:
    """Nothing where the cluster does not answer soon: a completion has nobody to tell."""
    kubectl = replace(kubectl_of(ctx), patience=_COMPLETION_PATIENCE)
    try:
        return [CompletionItem(name) for name in ask(kubectl) if name.startswith(incomplete)]
    except PluginError:
        return []
