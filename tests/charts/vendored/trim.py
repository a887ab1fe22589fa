"""Writes the CRDs beside it, from a module cache of Go: what the API server checks, without words or old versions.

    go mod download sigs.k8s.io/gateway-api@v1.4.1 github.com/prometheus-operator/prometheus-operator@v0.85.0
    python tests/charts/vendored/trim.py "$(go env GOMODCACHE)"

Run by hand when a newer release is wanted.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
_SOURCES = {
    "httproutes": (
        "sigs.k8s.io/gateway-api@v1.4.1/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        "The Kubernetes Authors",
    ),
    "servicemonitors": (
        f"{_OPERATOR}/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "The prometheus-operator Authors",
    ),
    "prometheusrules": (
        f"{_OPERATOR}/example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "The prometheus-operator Authors",
    ),
}


def without_words(node: Any, *, names: bool = False) -> Any:
    """A schema without its descriptions; `names` when the keys are those of fields, which may be called so."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if names or key != "description"}
        return {
            key: without_words(value, names=key == "properties" and not names) for key, value in kept.items()
        }
    return [without_words(each) for each in node] if isinstance(node, list) else node


def main(modules: Path) -> None:
    for name, (source, authors) in _SOURCES.items():
        crd = yaml.safe_load((modules / source).read_text("utf-8"))
        crd["spec"]["versions"] = [
            without_words(version) for version in crd["spec"]["versions"] if version["storage"]
        ]
        head = f"# From {source}\n# Copyright {authors}, Apache License 2.0. Trimmed by trim.py.\n"
        text = yaml.safe_dump(crd, sort_keys=False, width=110)
        (Path(__file__).parent / f"{name}.yaml").write_text(head + text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
