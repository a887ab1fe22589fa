"""docs/install.md is true where a machine can say so: the Secrets, the files it names, and what is YAML in it."""

import re

import pytest
import yaml

from contracts.topics import PARTS
from devstack.services import DATABASE_SERVICES
from support.charts import ROOT, SHARED, Body, objects, render

PAGE = (ROOT / "docs" / "install.md").read_text("utf-8")
VALUES = ROOT / "kustomize" / "values"
ALL_OF = {"<service>": DATABASE_SERVICES, "<part>": PARTS}


def test_the_table_has_every_secret_that_the_charts_ask_for() -> None:
    text = render("slotwright", SHARED, VALUES / "private-ca.yaml", VALUES / "smtp-login.yaml")
    assert set(_told()) == set(_asked(objects(text)))


def test_the_commands_make_every_secret_that_is_needed() -> None:
    text = render("slotwright", SHARED, VALUES / "private-ca.yaml", VALUES / "smtp-login.yaml")
    made = PAGE.replace("$service", "<service>").replace("$user", "<part>")
    for name, key in _asked(objects(text), optional=False):
        general = re.sub(f"-({'|'.join(PARTS)})-kafka", "-<part>-kafka", name)
        general = re.sub(f"-({'|'.join(DATABASE_SERVICES)})-database", "-<service>-database", general)
        assert re.search(
            rf"create secret generic {general}\s(.*\\\n)*.*={key}=|create secret generic {general} .*{key}=",
            made,
        ), name


def test_the_page_names_files_that_there_are() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        if "://" not in target:
            assert (ROOT / "docs" / target).resolve().exists(), target
    for path in re.findall(r"(?:kustomize|charts|dev)/[\w./-]+", re.sub(r"https?://\S+|oci://\S+", "", PAGE)):
        assert (ROOT / path.rstrip(".")).exists(), path


def test_its_values_are_those_of_the_chart() -> None:
    values = next(
        block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "publicUrl" in block
    )
    bodies = objects(render("slotwright", yaml.safe_load(values)))
    assert {"HTTPRoute", "Deployment"} <= {body["kind"] for body in bodies}


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_what_is_yaml_can_be_read(block: str) -> None:
    assert list(yaml.safe_load_all(block))


def _told() -> list[tuple[str, str]]:
    table = PAGE.partition("| Secret | keys |")[2].partition("\n\n")[0]
    found = []
    for row in table.splitlines()[2:]:
        name, keys = (
            re.findall(r"`([^`]+)`", row.split("|")[1])[0],
            re.findall(r"`([^`]+)`", row.split("|")[2]),
        )
        marks = [mark for mark in ALL_OF if mark in name]
        names = [name.replace(marks[0], each) for each in ALL_OF[marks[0]]] if marks else [name]
        found += [(each, key) for each in names for key in keys]
    return found


def _asked(bodies: list[Body], *, optional: bool = True) -> list[tuple[str, str]]:
    """Each Secret with a key that a container or a volume of the render refers to."""
    found = []

    def look(node: object) -> None:
        if isinstance(node, dict):
            if (reference := node.get("secretKeyRef")) and (optional or not reference.get("optional")):
                found.append((reference["name"], reference["key"]))
            if "secretName" in node and "items" in node:
                found.extend((node["secretName"], item["key"]) for item in node["items"])
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            for value in node:
                look(value)

    look(bodies)
    return found
