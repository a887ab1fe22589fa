"""What the charts render to, whole: as it was when it was last looked at, and what no render may hold."""

import difflib
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.cluster import TENANTS_NAMESPACE, run, wanted_secrets
from support.charts import ALL, CASES, CHARTS, GOLDEN, HERE, ROOT, Body, needed, objects, render

_EVERYTHING = HERE / "values" / "everything.yaml"


@cache
def _everything() -> str:
    return render("slotwright", _EVERYTHING)


@pytest.mark.parametrize("chart", ALL)
def test_helm_finds_nothing_to_complain_of(chart: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(dict(needed(chart))), "utf-8")
    run("helm", "lint", "--strict", str(CHARTS / chart), "--values", str(values))


@pytest.mark.parametrize("case", CASES)
def test_a_render_is_as_it_was(case: str) -> None:
    """`make charts-golden` writes them anew: look at what git then shows."""
    golden = GOLDEN / f"{case}.yaml"
    was, now = golden.read_text("utf-8").splitlines(), render(*CASES[case]).splitlines()
    diff = list(difflib.unified_diff(was, now, str(golden.relative_to(ROOT)), "now", lineterm=""))
    assert not diff, "\n".join(["a render differs (`make charts-golden` takes it)", *diff])


def test_every_golden_render_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


def test_make_charts_has_nothing_to_write(tmp_path: Path) -> None:
    """Schemas and READMEs follow from the values; written twice through a link, they would not be the same."""
    there = shutil.copytree(CHARTS, tmp_path / "charts", symlinks=True)
    shutil.copytree(ROOT / "crds", tmp_path / "crds")
    written = [*there.glob("*/values.schema.json"), *there.glob("*/README.md")]
    kept = there / "servicelib" / "values.schema.json"  # what the others are written from
    for path in written:
        if path != kept:
            path.unlink()
    run(sys.executable, str(there / "schema.py"))
    run("helm-docs", *_helm_docs(there))
    now = {path.relative_to(there): path.read_text("utf-8") for path in written}
    stale = [str(path) for path, text in now.items() if text != (CHARTS / path).read_text("utf-8")]
    assert not stale, "`make charts` was not run"
    assert {path.parent.name for path in now if path.name == "values.schema.json"} == set(ALL)
    assert {path.parent.name for path in now if path.name == "README.md"} == set(ALL)


def _helm_docs(charts: Path) -> list[str]:
    """The arguments that the Makefile has."""
    line = next(line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "\thelm-docs" in line)
    return [str(charts) if word == "charts" else word for word in line.split()[1:]]


@pytest.mark.parametrize("case", CASES)
def test_no_render_holds_a_secret(case: str) -> None:
    assert "Secret" not in {body["kind"] for body in objects((GOLDEN / f"{case}.yaml").read_text("utf-8"))}


def test_no_template_makes_up_a_secret() -> None:
    made_up = (
        "randAlpha",
        "randAscii",
        "randNumeric",
        "randBytes",
        "genCA",
        "genPrivateKey",
        "derivePassword",
    )
    guilty = [
        f"{path.relative_to(CHARTS)}: {word}"
        for path in CHARTS.glob("*/templates/*")
        for word in made_up
        if word in path.read_text("utf-8")
    ]
    assert guilty == []


def test_secrets_reach_containers_by_reference_alone() -> None:
    """A password or key that stands in the pod would be read by whoever may read pods."""
    words = ("PASSWORD", "SECRET", "TOKEN", "_KEY")
    plain = [
        f"{body['metadata']['name']}: {variable['name']}"
        for body in objects(_everything())
        for container in _containers(body)
        for variable in container.get("env", [])
        if any(word in variable["name"] for word in words) and "value" in variable
    ]
    assert plain == []


@pytest.mark.parametrize(
    ("given", "told"), [(10485760, "10485760"), (0.25, "0.25"), (True, "true"), ("0x10", "0x10")]
)
def test_a_setting_reaches_the_process_as_it_was_written(given: object, told: str) -> None:
    bodies = objects(render("gateway", needed("gateway"), {"env": {"SLOTWRIGHT_OTHER": given}}))
    values = [
        variable["value"]
        for body in bodies
        for container in _containers(body)
        for variable in container.get("env", [])
        if variable["name"] == "SLOTWRIGHT_OTHER"
    ]
    assert values == [told]


def test_the_longest_name_that_is_allowed_is_one_for_kubernetes() -> None:
    """A Job's name is a label of its pods. RFC 1123's 63 characters."""
    platform = {"global": {"slotwright": {"platform": "a" * 33}}}
    bodies = objects(render("slotwright", _EVERYTHING, platform))
    names = [(body["kind"], body["metadata"]["name"]) for body in bodies]
    assert max(len(name) for _, name in names) == 63
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", ["kind-platform", "kind-backing"])
def test_every_secret_that_kind_needs_is_made(case: str) -> None:
    made = {(name, key) for name, data in wanted_secrets().items() for key in data}
    asked = {
        (reference["name"], reference["key"])
        for body in objects(render(*CASES[case]))
        for container in _containers(body)
        for variable in container.get("env", [])
        if (reference := variable.get("valueFrom", {}).get("secretKeyRef")) and not reference.get("optional")
    }
    assert asked
    assert asked <= made


def test_only_the_operator_is_given_a_token_of_the_api_server() -> None:
    pods = [(body, spec) for body in objects(_everything()) if (spec := _pod(body))]
    assert {spec["automountServiceAccountToken"] for _, spec in pods} == {True, False}
    holders = {
        body["metadata"]["labels"]["app.kubernetes.io/name"]
        for body, spec in pods
        if spec["automountServiceAccountToken"]
    }
    assert holders == {"operator"}


def test_the_operators_rights_are_those_that_its_tests_run_with() -> None:
    """operator/rbac.yaml is what tests/operator proves to be enough."""
    ours = _rules(objects(render("operator", needed("operator"))))
    proven = _rules(list(yaml.safe_load_all((ROOT / "operator" / "rbac.yaml").read_text("utf-8"))))
    assert sorted(ours, key=str) == sorted(proven, key=str)
    assert "*" not in str(ours)


def test_nobody_has_a_right_to_secrets_where_the_platform_stands() -> None:
    """Only in the namespace of businesses' own Secrets, and nowhere by a right that is the cluster's."""
    bodies = objects(_everything())
    assert {where for _, where, rules in _rules(bodies) if "secrets" in str(rules)} == {TENANTS_NAMESPACE}
    assert TENANTS_NAMESPACE not in {body["metadata"]["namespace"] for body in bodies if _pod(body)}


def _rules(bodies: list[Body]) -> list[tuple[str, str, list[Any]]]:
    return [
        (body["kind"], body["metadata"].get("namespace", ""), body["rules"])
        for body in bodies
        if body["kind"] in {"Role", "ClusterRole"}
    ]


def test_the_crds_are_those_of_the_repository_and_stay() -> None:
    sources = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / "crds").glob("*.yaml")]
    kept = {body["metadata"]["name"]: body for body in objects(render("crds"))}
    for source in sources:
        body = kept.pop(source["metadata"]["name"])
        assert body["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
        if not source["metadata"].get("annotations"):
            del body["metadata"]["annotations"]
        assert body == source
    assert kept == {}


def test_who_calls_is_let_in_and_nobody_else() -> None:
    """What one service's policy lets out, another's lets in."""
    policies = [body for body in objects(_everything()) if body["kind"] == "NetworkPolicy"]
    out, let_in, open_to_all = set(), set(), set()
    for body in policies:
        name = body["metadata"]["labels"]["app.kubernetes.io/name"]
        out |= {(name, other) for rule in body["spec"]["egress"] for other in _names(rule.get("to", []))}
        for rule in body["spec"]["ingress"]:
            let_in |= {(other, name) for other in _names(rule.get("from", []))}
            open_to_all |= set() if "from" in rule else {name}
    assert open_to_all == {"gateway"}
    assert {pair for pair in out if pair[1] not in open_to_all} == let_in


def _names(peers: list[Body]) -> set[str]:
    labels = [peer.get("podSelector", {}).get("matchLabels", {}) for peer in peers]
    return {each["app.kubernetes.io/name"] for each in labels if "app.kubernetes.io/name" in each}


def _pod(body: Body) -> Body:
    """A workload's pod; empty for what has none."""
    spec: Body = body.get("spec", {})
    return spec if body["kind"] == "Pod" else spec.get("template", {}).get("spec", {})


def _containers(body: Body) -> list[Body]:
    pod = _pod(body)
    return [*pod.get("initContainers", []), *pod.get("containers", [])]
