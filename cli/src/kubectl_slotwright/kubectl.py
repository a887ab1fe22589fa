"""The cluster, through kubectl: runs it, and turns each of its failures into a sentence that says what to do.

Called by every command. Contexts, exec credentials and proxies are kubectl's; the plugin knows none of them.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_slotwright.errors import ConflictError, NotFoundError, PluginError

TENANTS = "tenants.slotwright.io"
PLANS = "plans.slotwright.io"
EVENTS = "events.events.k8s.io"
NAMESPACE = "slotwright"
OPERATOR = "app.kubernetes.io/part-of=slotwright,app.kubernetes.io/name=operator"
"""The labels of the operator's Deployment and pods; their names depend on the Helm release and its values."""
_EVENTS_NAMESPACE = "default"
"""The namespace of Events about cluster-scoped objects."""

Body = dict[str, Any]

_NOISE = re.compile(r"^([EWI]\d{4} |Warning: |command terminated with exit code )")
"""What client-go logs before the error itself, warnings, and the line that `kubectl exec` adds."""
_PREFIX = re.compile(r"^(error: |Error from server: |Error from server \((?P<reason>\w+)\): )")
_KNOWN: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"the server doesn't have a resource type \"(tenants|plans)\""),
        "This cluster knows no Tenants: install the chart crds there, or choose another --context.",
    ),
    (
        re.compile(r"context was not found for specified context|context \"[^\"]*\" does not exist"),
        "There is no such context; `kubectl config get-contexts` lists those that there are.",
    ),
    (
        re.compile(r"You must be logged in to the server|Unauthorized|getting credentials: "),
        "The cluster does not accept your credentials; sign in anew, or choose another --context.",
    ),
    (
        # What kubectl tries when nothing is configured.
        re.compile(
            r"localhost:8080 was refused|no configuration has been provided|current-context is not set"
        ),
        "kubectl knows no cluster; give --kubeconfig or --context, or set KUBECONFIG.",
    ),
    (
        re.compile(r"The connection to the server (?P<server>\S+) was refused"),
        "The API server cannot be reached ({server} refuses connections); check --context, --kubeconfig and your"
        " network.",
    ),
    (
        re.compile(r"Unable to connect to the server|i/o timeout|no such host|dial tcp"),
        "The API server cannot be reached ({text}); check --context, --kubeconfig and your network.",
    ),
    (
        re.compile(r"error loading config file|stat .*: no such file"),
        "The kubeconfig cannot be read ({text}); check --kubeconfig and KUBECONFIG.",
    ),
    (re.compile(r"^The \w+ \"[^\"]*\" is invalid: "), "The API server refuses it: {text}."),
    (
        re.compile(r"tenant_operator: error: .*invalid choice: 'dead-letters'"),
        "The operator in the cluster is of a release without this command; upgrade it.",
    ),
    (
        re.compile(r"unknown flag: --(?P<name>\S+)"),
        "This kubectl is too old for the plugin (it has no --{name}); install 1.30 or newer.",
    ),
)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the flags that say which cluster. Every method raises PluginError or one of its kinds."""

    context: str | None = None
    kubeconfig: str | None = None
    namespace: str = NAMESPACE
    """Where the operator runs."""
    patience: str | None = None
    """How long a request to the API server may take, such as 3s; kubectl's own choice when None."""

    def tenant(self, name: str) -> Body:
        """Raises NotFoundError."""
        return self.json("get", TENANTS, name)

    def tenants(self) -> list[Body]:
        """All of them, by name."""
        return self._items(TENANTS)

    def plans(self) -> list[Body]:
        return self._items(PLANS)

    def events(self, uid: str) -> list[Body]:
        """The Events about the object with that uid; the API server forgets them, after an hour by default."""
        where = ("--namespace", _EVENTS_NAMESPACE, f"--field-selector=regarding.uid={uid}")
        return list(self.json("get", EVENTS, *where)["items"])

    def patch(self, tenant: str, change: Mapping[str, Any], *, dry_run: bool = False) -> Body:
        """A merge patch of a Tenant; answers the object after it. A dry run is checked by the server, not kept."""
        how = ("--type=merge", f"--patch={json.dumps(change)}", *(("--dry-run=server",) if dry_run else ()))
        return self.json("patch", TENANTS, tenant, *how)

    def delete(self, tenant: str) -> None:
        """Asks for the deletion and does not wait for it."""
        self.run("delete", TENANTS, tenant, "--wait=false")

    def in_operator(self, *command: str) -> str:
        """Runs a command in the operator's pod; answers what it prints."""
        where = ("--namespace", self.namespace)
        found = self.run("get", "deployments", *where, f"--selector={OPERATOR}", "--output=name").split()
        if len(found) != 1:
            there = (
                f"are {len(found)} operators ({', '.join(found)})"
                if found
                else "is no operator of slotwright"
            )
            raise PluginError(
                f"There {there} in the namespace {self.namespace}; name one's with --namespace."
            )
        return self.run("exec", found[0], *where, "--", *command)

    def json(self, *arguments: str) -> Body:
        text = self.run(*arguments, "--output=json")
        try:
            body: Body = json.loads(text)
        except ValueError as error:
            raise PluginError(
                f"kubectl {arguments[0]} gave no JSON; is it another program of that name?"
            ) from error
        return body

    def run(self, *arguments: str) -> str:
        """What kubectl prints on stdout."""
        program = shutil.which("kubectl")
        if program is None:
            raise PluginError("kubectl is not on PATH; install it, or add its folder to PATH.")
        flags = [f"--context={self.context}"] if self.context else []
        flags += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        flags += [f"--request-timeout={self.patience}"] if self.patience else []
        # Its flags come first: what follows `--` is another program's.
        done = subprocess.run(
            [program, *flags, *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            error = failure(arguments[0], done.stderr)
            error.printed = done.stdout
            raise error
        return done.stdout

    def _items(self, resource: str) -> list[Body]:
        items: list[Body] = self.json("get", resource)["items"]
        return sorted(items, key=lambda item: str(item["metadata"]["name"]))


def failure(verb: str, stderr: str) -> PluginError:
    """kubectl's words as an error of ours; `verb` is what it was asked for, such as `get`."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not _NOISE.match(line)]
    text = " ".join(lines) or " ".join(stderr.split())
    match = _PREFIX.match(text)
    reason = match.group("reason") if match else None
    text = (text[match.end() :] if match else text).rstrip(".")
    for pattern, sentence in _KNOWN:
        found = pattern.search(text)
        if found:
            return PluginError(sentence.format(text=text, **found.groupdict()))
    if verb == "exec" and lines and match is None:
        return PluginError(lines[-1])  # the operator's own sentence
    return _refused(verb, reason, text)


def _refused(verb: str, reason: str | None, text: str) -> PluginError:
    """By the reason of the API server's Status, where it gave one."""
    match reason:
        case "NotFound":
            return NotFoundError(_not_found(text))
        case "Conflict":
            return ConflictError(f"The object has changed in the meantime ({text}); look again and repeat.")
        case "Forbidden":
            return PluginError(f"You may not do that ({text}); ask whoever gives rights in this cluster.")
        case "BadRequest":
            return PluginError(f"The API server refuses it: {text}.")
    return PluginError(f"kubectl {verb} failed: {text or 'it gave no reason'}.")


def _not_found(text: str) -> str:
    found = re.match(r"(?P<resource>[\w.]+) \"(?P<name>[^\"]+)\" not found", text)
    match found.groupdict() if found else {}:
        case {"resource": "tenants.slotwright.io", "name": name}:
            return f"There is no tenant named {name}; `kubectl slotwright status` lists them."
        case {"resource": "namespaces", "name": name}:
            return f"There is no namespace {name}; name the operator's with --namespace."
    return f"It is not there: {text}."
