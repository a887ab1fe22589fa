"""Cuts Stripe's OpenAPI down to what the stand-in has, as plain JSON Schema, for the test that holds it to Stripe.

    go mod download github.com/stripe/stripe-mock@v0.203.0
    python dev/stripe/trim_spec.py "$(go env GOMODCACHE)/github.com/stripe/stripe-mock@v0.203.0" \\
        > tests/unit/stripe_standin/stripe_spec.json

The spec is Stripe's, under the MIT licence, which stands in the output. Descriptions go; references that the
stand-in never expands become ids; payment methods but cards go; an object takes no property that Stripe does not
name.
"""

import json
import sys
from pathlib import Path
from typing import Any

from stripe_standin.app import ROUTES

EXPANDED = {
    "checkout.session",
    "customer",
    "invoice",
    "payment_method",
    "price",
    "product",
    "setup_intent",
    "subscription",
}
ALONE = {"payment_method": {"card"}}
"""Of these schemas' optional properties that are refs, only these are kept."""
_REF = "#/components/schemas/"
_KEPT = (
    "type",
    "enum",
    "required",
    "pattern",
    "maxLength",
    "minimum",
    "maximum",
    "format",
    "minItems",
    "maxItems",
)


class Trimmer:
    """Collects the schemas that the kept operations reach."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._schemas = spec["components"]["schemas"]
        self._paths = spec["paths"]
        self.defs: dict[str, Any] = {}

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """Parameters and answer of one operation. Raises KeyError when Stripe has no such."""
        raw = self._paths[path][method.lower()]
        if method == "GET":
            queries = [item for item in raw.get("parameters", ()) if item["in"] == "query"]
            given: dict[str, Any] = {
                "type": "object",
                "properties": {item["name"]: self.schema(item["schema"]) for item in queries},
                "required": [item["name"] for item in queries if item.get("required")],
                "additionalProperties": False,
            }
        else:
            content = raw["requestBody"]["content"]
            given = self.schema(content["application/x-www-form-urlencoded"]["schema"])
            given.setdefault("additionalProperties", False)
        answer = raw["responses"]["200"]["content"]["application/json"]["schema"]
        return {"request": given, "answer": self.schema(answer)}

    def schema(self, raw: dict[str, Any], owner: str = "") -> dict[str, Any]:
        """A schema as JSON Schema 2020-12; the named ones it refers to are added to `defs`."""
        if "$ref" in raw:
            return self._reference(raw["$ref"].removeprefix(_REF))
        if "x-expansionResources" in raw:
            raw = raw | {"anyOf": self._expandable(raw["anyOf"])}
        made: dict[str, Any] = {name: raw[name] for name in _KEPT if name in raw}
        if "anyOf" in raw:
            made["anyOf"] = [self.schema(item) for item in raw["anyOf"]]
        if "items" in raw:
            made["items"] = self.schema(raw["items"])
        if "properties" in raw:
            alone = ALONE.get(owner)
            made["properties"] = {
                name: self.schema(item)
                for name, item in raw["properties"].items()
                if alone is None or name in alone or "$ref" not in item or name in raw.get("required", ())
            }
            made["additionalProperties"] = False
        extra = raw.get("additionalProperties")
        if isinstance(extra, dict):
            made["additionalProperties"] = self.schema(extra)
        if raw.get("nullable"):
            return {"anyOf": [made, {"type": "null"}]} if made else {}
        return made

    def _expandable(self, choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [item for item in choices if "$ref" not in item or item["$ref"].removeprefix(_REF) in EXPANDED]

    def _reference(self, name: str) -> dict[str, Any]:
        if name not in self.defs:
            self.defs[name] = {}  # it may refer to itself
            self.defs[name] = self.schema(self._schemas[name], name)
        return {"$ref": f"#/$defs/{name}"}


def main(module: Path) -> None:
    spec = json.loads((module / "embedded/openapi/spec3.json").read_text("utf-8"))
    trimmer = Trimmer(spec)
    operations = {
        f"{route.method} {route.path}": trimmer.operation(route.method, route.path)
        for route in sorted(ROUTES, key=lambda route: (route.path, route.method))
    }
    event = trimmer.schema({"$ref": f"{_REF}event"})
    sys.stdout.write(
        json.dumps(
            {
                "source": "github.com/stripe/stripe-mock v0.203.0, embedded/openapi/spec3.json, trimmed by "
                "dev/stripe/trim_spec.py",
                "license": (module / "LICENSE").read_text("utf-8"),
                "version": spec["info"]["version"],
                "operations": operations,
                "event": event,
                "$defs": dict(sorted(trimmer.defs.items())),
            },
            separators=(",", ":"),
        )
        + "\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
