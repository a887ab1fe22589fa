"""The command line itself: completion's protocol, usage errors, forms of output. No cluster, no kubectl."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kubectl_slotwright import session
from kubectl_slotwright.app import cli
from kubectl_slotwright.completion import answer
from kubectl_slotwright.errors import NotFoundError
from kubectl_slotwright.kubectl import Kubectl
from kubectl_slotwright.screen import Screen, table, width
from unit.cli.surroundings import body

Run = Callable[..., Result]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Kubectl, tuple[str, ...]]]:
    """What kubectl would have been asked; it knows one tenant and two contexts."""
    found: list[tuple[Kubectl, tuple[str, ...]]] = []

    def run(self: Kubectl, *arguments: str) -> str:
        found.append((self, arguments))
        match arguments:
            case ("config", *_):
                return "kind-slotwright\nproduction\n"
            case ("get", "tenants.slotwright.io", "--output=json"):
                return json.dumps({"items": [body()]})
            case ("get", "tenants.slotwright.io", "riverside", *_):
                return json.dumps(body())
            case ("get", "plans.slotwright.io", *_):
                return json.dumps({"items": [{"metadata": {"name": name}} for name in ("team", "pro")]})
            case ("get", "events.events.k8s.io", *_):
                return json.dumps({"items": []})
        raise NotFoundError("It is not there.")

    monkeypatch.setattr(Kubectl, "run", run)
    return found


@pytest.fixture
def run(asked: list[Any]) -> Run:
    def invoke(*arguments: str, **how: Any) -> Result:
        return CliRunner().invoke(cli, arguments, prog_name="kubectl slotwright", **how)

    return invoke


def test_commands_are_completed_with_what_they_do() -> None:
    lines = answer([""])
    assert lines[-1] == ":4"
    words = {line.partition("\t")[0]: line.partition("\t")[2] for line in lines[:-1]}
    assert {"status", "usage", "plan", "pause", "resume", "erase"} <= set(words)
    assert all(words.values())
    assert answer([]) == lines
    assert answer(["sta"]) == ["status\tAll tenants, or one in detail.", ":4"]


@pytest.mark.usefixtures("asked")
def test_names_are_completed_from_the_cluster() -> None:
    assert answer(["status", ""]) == ["riverside", ":4"]
    assert answer(["plan", "diff", "r"]) == ["riverside", ":4"]
    assert answer(["plan", "diff", "riverside", "t"]) == ["team", ":4"]
    assert answer(["status", "--context", "pro"]) == ["production", ":4"]
    assert answer(["status", "-o", ""]) == ["text", "json", ":4"]
    assert answer(["erase", "riverside", ""]) == [":4"]


def test_completion_asks_the_cluster_that_the_line_names(asked: list[tuple[Kubectl, Any]]) -> None:
    answer(["--kubeconfig=/elsewhere", "status", "--context", "production", ""])
    assert asked[-1][0] == Kubectl("production", "/elsewhere", patience="3s")


def test_a_file_is_left_to_the_shell_and_nonsense_to_nobody() -> None:
    assert answer(["status", "--kubeconfig", ""]) == [":0"]
    assert answer(["plan", "nonsense", "x", ""])[-1] == ":4"


def test_a_cluster_that_does_not_answer_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert answer(["status", ""]) == [":4"]


@pytest.mark.parametrize("before", [True, False])
def test_options_may_stand_before_the_command_or_behind_it(
    run: Run, asked: list[tuple[Kubectl, Any]], before: bool
) -> None:
    options = ["--context", "production", "--kubeconfig", "/elsewhere", "-n", "apart", "-o", "json"]
    result = run(*options, "status") if before else run("status", *options)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["tenants"][0]["name"] == "riverside"
    assert asked[-1][0] == Kubectl("production", "/elsewhere", "apart")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("status", "-o", "yaml"),
        ("status", "--nonsense"),
        ("usage", "--over", "-1"),
        ("plan", "diff", "riverside"),
        ("pause",),
        ("pause", "riverside", "--timeout", "soon"),
        ("erase", "riverside"),
    ],
)
def test_wrong_usage_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    """Erasing without a terminal is one."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_failure_is_one_line_on_stderr_and_1(run: Run) -> None:
    result = run("status", "nobody")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "It is not there.\n")


def test_the_exit_code_is_asked_for(run: Run, asked: list[Any]) -> None:
    assert run("status", "riverside", "--exit-code").exit_code == 0
    assert run("status").exit_code == 0


def test_every_help_tells_its_json_form(run: Run) -> None:
    for command in (["status"], ["usage"], ["plan", "diff"], ["pause"], ["resume"], ["erase"]):
        assert "JSON" in run(*command, "--help").stdout, command


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600), ("0", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert session.Duration().convert(text, None, None) == seconds


def test_colour_only_where_a_terminal_shows_it() -> None:
    class Terminal:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    terminal: Any = Terminal()
    assert Screen.of(terminal, {}).colour
    assert not Screen.of(terminal, {"NO_COLOR": "1"}).colour
    assert not Screen.of(terminal, {"TERM": "dumb"}).colour
    terminal.encoding = "ascii"
    assert not Screen.of(terminal, {}).unicode


def test_wide_characters_are_aligned() -> None:
    lines = table([("理髪店", "x"), ("barber", "x")], Screen())
    assert width(lines[0]) == width(lines[1])
