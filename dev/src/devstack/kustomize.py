"""`make kustomize`: writes kustomize/base and the components from the charts, so that nobody keeps a second copy.

The base is what Helm renders. The layer `apart` and each component are what changes when Helm renders with one of
the files of kustomize/values as well: objects to add and strategic merge patches (docs/adr/0014). A test fails when
a file is not what this would write. Needs helm on PATH; whoever applies the result does not.
"""

import re
import shutil
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devstack import strimzi
from devstack.cluster import ROOT, TENANTS_NAMESPACE, run

FOLDER = ROOT / "kustomize"
PLATFORM = "slotwright"
"""The release's name and the namespace, which are part of names, alerts and the operator's rights."""
_VALUES = FOLDER / "values"
_DATABASE_HOST = "SLOTWRIGHT_DATABASE_HOST"
_SETTINGS = frozenset(
    {
        "SLOTWRIGHT_PUBLIC_URL",
        "SLOTWRIGHT_TRUSTED_PROXIES",
        "SLOTWRIGHT_KAFKA_BOOTSTRAP",
        "SLOTWRIGHT_TENANT_KAFKA_BOOTSTRAP",
        "SLOTWRIGHT_SMTP_HOST",
        "SLOTWRIGHT_SMTP_PORT",
        "SLOTWRIGHT_SMTP_USERNAME",
        "SLOTWRIGHT_MAIL_FROM",
    }
)
"""The variables that an overlay sets in one place, ConfigMap slotwright-settings, under their own names."""
_MERGED_BY = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}
"""Lists that a strategic merge patch merges by a key; any other is replaced whole."""
_HASH = re.compile(r"-migrate-[0-9a-f]{8}$")
REFERENCE = re.compile(r"\$\((\w+)\)")
"""A reference to another variable in a value, in the syntax of Kubernetes."""
_HEAD = "# Written by `make kustomize` from the charts{source}. Do not edit.\n"

Body = dict[str, Any]
Identity = tuple[str, str, str]


@dataclass(frozen=True)
class Layer:
    """A folder of kustomize/: the values files that it adds to the base, or to another layer's (`over`)."""

    values: tuple[Path, ...]
    over: tuple[Path, ...] = ()
    component: bool = True


def _file(name: str) -> Path:
    return _VALUES / f"{name}.yaml"


LAYERS = {
    "apart": Layer((_file("apart"),), component=False),
    "components/autoscaling": Layer((_file("autoscaling"),)),
    "components/autoscaling-apart": Layer((_file("autoscaling"),), over=(_file("apart"),)),
    **{
        f"components/{name}": Layer((_file(name),))
        for name in (
            "monitoring",
            "ingress",
            "route",
            "private-ca",
            "smtp-login",
            "cloudnativepg",
            "strimzi",
        )
    },
    "components/kind": Layer((ROOT / "dev" / "cluster" / "platform.yaml",)),
}


def written() -> dict[Path, str]:
    """Each generated file with what it should hold. Raises ClusterError where helm does."""
    base = render()
    files = _base(base) | _prerequisites() | strimzi.written()
    for name, layer in LAYERS.items():
        before = render(*layer.over) if layer.over else base
        files |= _layer(name, layer, before, render(*layer.over, *layer.values))
    return files


def render(*values: Path) -> dict[Identity, Body]:
    """What Helm renders of all charts with these values, without hooks and tests, adapted for kustomize."""
    given = [f"--values={path}" for path in (_file("base"), *values)]
    # Last, so that no values file overrides it.
    given += ["--set-string", f"global.slotwright.database.host=$({_DATABASE_HOST})"]
    return _objects(_template(PLATFORM, PLATFORM, "--namespace", PLATFORM, *given))


def _template(release: str, chart: str, *arguments: str) -> str:
    """Renders a chart, for a fixed version of Kubernetes: Helm would otherwise take one of its own."""
    where = ("template", release, str(ROOT / "charts" / chart), "--kube-version", "1.34.3")
    return run("helm", *where, *arguments)


def _objects(text: str) -> dict[Identity, Body]:
    bodies = [body for body in yaml.safe_load_all(text) if body]
    kept = [body for body in bodies if "helm.sh/hook" not in body["metadata"].get("annotations", {})]
    for body in kept:
        _adapt(body)
    return {identity(body): body for body in kept}


def identity(body: Body) -> Identity:
    """By what an object is known. A migration's Job counts as the same whatever the hash in its name."""
    metadata = body["metadata"]
    return body["kind"], metadata.get("namespace", ""), _HASH.sub("-migrate", metadata["name"])


def _adapt(node: Any) -> None:
    """Sets the managed-by label to kustomize, and has settings come from the overlay's ConfigMaps."""
    if isinstance(node, list):
        for each in node:
            _adapt(each)
    elif isinstance(node, dict):
        labels = node.get("labels")
        if isinstance(labels, dict) and "app.kubernetes.io/managed-by" in labels:
            labels["app.kubernetes.io/managed-by"] = "kustomize"
        if isinstance(node.get("env"), list):
            node["env"] = _environment(node["env"])
        for value in node.values():
            _adapt(value)


def _environment(env: list[Body]) -> list[Body]:
    found: list[Body] = []
    for entry in env:
        name = entry["name"]
        if f"$({_DATABASE_HOST})" in entry.get("value", ""):
            found.append(_setting(_DATABASE_HOST, "slotwright-database"))
        found.append(_setting(name, "slotwright-settings") if name in _SETTINGS else entry)
    return found


def _setting(name: str, config_map: str) -> Body:
    return {"name": name, "valueFrom": {"configMapKeyRef": {"name": config_map, "key": name}}}


def _base(objects: dict[Identity, Body]) -> dict[Path, str]:
    folder = FOLDER / "base"
    parts: dict[str, list[Body]] = {}
    for body in objects.values():
        parts.setdefault(body["metadata"]["labels"]["app.kubernetes.io/name"], []).append(body)
    files = {folder / f"{part}.yaml": _documents(bodies) for part, bodies in parts.items()}
    return files | _kustomization(folder, "", {"resources": [f"{part}.yaml" for part in sorted(parts)]})


def _prerequisites() -> dict[Path, str]:
    """What outlives an uninstallation: the CRDs, and the namespaces with their Secrets."""
    folder = FOLDER / "prerequisites"
    text = _template("crds", "crds", "--set", "keep=false")
    namespaces = [_namespace(name) for name in (PLATFORM, TENANTS_NAMESPACE)]
    crds = [body for body in yaml.safe_load_all(text) if body]
    return {
        folder / "crds.yaml": _documents(crds),
        folder / "namespaces.yaml": _documents(namespaces),
    } | _kustomization(folder, "", {"resources": ["namespaces.yaml", "crds.yaml"]})


def _namespace(name: str) -> Body:
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _layer(
    name: str, layer: Layer, before: dict[Identity, Body], after: dict[Identity, Body]
) -> dict[Path, str]:
    folder = FOLDER / name
    added = [body for key, body in after.items() if key not in before]
    patches: list[Body] = []
    for key, old in before.items():
        if key not in after:
            patches.append(_removal(old))
        elif patch := _change(old, _named_as(old, after[key])):
            patches.append(_patch(old, patch))
    body: Body = {} if layer.component else {"resources": ["../base"]}
    files: dict[Path, str] = {}
    if added:
        body.setdefault("resources", []).append("objects.yaml")
        files[folder / "objects.yaml"] = _documents(added)
    if patches:
        body["patches"] = patches
    source = " and " + ", ".join(str(path.relative_to(ROOT)) for path in layer.values)
    return files | _kustomization(folder, source, body, component=layer.component)


def _named_as(old: Body, new: Body) -> Body:
    named = deepcopy(new)
    named["metadata"]["name"] = old["metadata"]["name"]
    return named


def _change(old: Any, new: Any, field: str = "") -> Any:
    """What a strategic merge patch must hold to make `new` of `old`; None when they are the same."""
    if old == new:
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        patch = {key: _change(old.get(key), new.get(key), key) for key in [*new, *old] if key in new}
        kept = {key: value for key, value in patch.items() if value is not None}
        return kept | {key: None for key in old if key not in new}
    key = _MERGED_BY.get(field)
    if key and isinstance(old, list) and isinstance(new, list):
        return _merged(field, key, old, new)
    return new


def _merged(field: str, key: str, old: list[Body], new: list[Body]) -> list[Body]:
    theirs, ours = ({item[key]: item for item in items} for items in (old, new))
    changed: list[Body] = [
        {key: name, **_change(theirs.get(name, {}), item)}
        for name, item in ours.items()
        if theirs.get(name) != item
    ]
    if field == "env":
        # A merge puts what a patch names first; a variable must stand before one that refers to it.
        needed = {
            name
            for item in changed
            for name in REFERENCE.findall(item.get("value", ""))
            if name in ours and all(other[key] != name for other in changed)
        }
        changed = [ours[name] for name in sorted(needed)] + changed
    return changed + [{key: name, "$patch": "delete"} for name in theirs if name not in ours]


def _removal(old: Body) -> Body:
    head = {"apiVersion": old["apiVersion"], "kind": old["kind"]}
    metadata = {key: old["metadata"][key] for key in ("name", "namespace") if key in old["metadata"]}
    return {"patch": _dump({**head, "metadata": metadata, "$patch": "delete"})}


def _patch(old: Body, change: Body) -> Body:
    """A patch of `old`: Deployments are found by labels, as `apart` has several of a service, all else by name.

    A patch of a service's only Deployment is meant for each of those, one of a role's Deployment for that alone.
    """
    metadata = old["metadata"]
    body = {"apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": {"name": metadata["name"]}}
    patch = _dump({**body, **change, "metadata": {**change.get("metadata", {}), **body["metadata"]}})
    if old["kind"] == "Deployment":
        label = f"app.kubernetes.io/name={metadata['labels']['app.kubernetes.io/name']}"
        role = metadata["labels"]["app.kubernetes.io/component"]
        if role != "all":
            label += f",app.kubernetes.io/component={role}"
        return {"target": {"kind": "Deployment", "labelSelector": label}, "patch": patch}
    return {"target": {"kind": old["kind"], "name": metadata["name"]}, "patch": patch}


def _kustomization(folder: Path, source: str, body: Body, *, component: bool = False) -> dict[Path, str]:
    version, kind = ("v1alpha1", "Component") if component else ("v1beta1", "Kustomization")
    head = {"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind}
    return {folder / "kustomization.yaml": _HEAD.format(source=source) + _dump({**head, **body})}


def _documents(bodies: Iterable[Body]) -> str:
    return _HEAD.format(source="") + "---\n".join(_dump(body) for body in bodies)


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block; no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _dump(body: Body) -> str:
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=116, allow_unicode=True)


def write(files: Callable[[], dict[Path, str]] = written) -> None:
    """Writes every generated file, after removing those of a run before."""
    wanted = files()
    for name in ("base", "prerequisites", *LAYERS):
        if (FOLDER / name).exists():
            shutil.rmtree(FOLDER / name)
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
