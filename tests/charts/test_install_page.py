"""docs/install.md is true where a machine can say so: the Secrets, the files it names, and what is YAML in it."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

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


def test_loops_that_are_run_again_tell_the_servers_what_the_secrets_hold(tmp_path: Path) -> None:
    """The first time no server can be reached; each Secret has been made by then, and keeps what it has."""
    script = _commands("Databases") + _commands("Kafka users")
    _program(
        tmp_path,
        "kubectl",
        """
        case "$3" in
          create) [ -e "secrets/$6" ] && exit 1; printf '%s\\n' "${@:7}" > "secrets/$6" ;;
          get) key=${7#*.data.}; sed -n "s/--from-literal=${key%\\}}=//p" "secrets/$5" | tr -d '\\n' | base64 ;;
        esac
        """,
    )
    for program in ("psql", "kafka-configs.sh"):
        _program(tmp_path, program, '[ -e up ] || exit 2; printf "%s\\n" "$@" >> told')
    (tmp_path / "secrets").mkdir()
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, check=False, capture_output=True
        )
        (tmp_path / "up").touch()
    held = [file.read_text() for file in (tmp_path / "secrets").iterdir()]
    passwords = re.findall(r"password=(\w+)", "".join(held))
    assert len(passwords) == 2 * len(DATABASE_SERVICES) + len(PARTS)
    assert sorted(re.findall(r"password=(\w+)", (tmp_path / "told").read_text())) == sorted(passwords)


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


def _commands(chapter: str) -> str:
    """The chapter's first block of commands, as who reads the page copies it."""
    text = PAGE.partition(f"### {chapter}\n")[2]
    found = re.search(r"(?m)(?:^    .*\n)+", text)
    assert found is not None
    return textwrap.dedent(found[0])


def _program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/bash\n{textwrap.dedent(script)}\n")
    file.chmod(0o755)


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
