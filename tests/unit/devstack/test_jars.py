"""Kafka's jars: what a person reads when they cannot be fetched, and that a fetch can be broken off."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from devstack.jars import JarsError, resolved
from devstack.processes import free_port


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, and a proxy that refuses."""
    monkeypatch.setenv("SLOTWRIGHT_CACHE", str(tmp_path))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    return tmp_path


def test_a_failing_fetch_says_why_and_what_to_do(cache: Path) -> None:
    with pytest.raises(JarsError) as failure:
        resolved("1.0", ("org.slf4j:slf4j-api:2.0.17",))
    said = str(failure.value).splitlines()
    assert said[0].startswith("Kafka's jars could not be fetched: ")
    assert "ProxyError" in said[0]
    assert "HTTPS_PROXY" in said[1]
    assert not (cache / "kafka" / "1.0" / "classpath").exists()


def test_what_hears_of_the_progress_may_end_it(cache: Path) -> None:
    def enough(_text: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        resolved("1.0", ("org.slf4j:slf4j-api:2.0.17",), enough)
    assert not any(str(cache) in line for line in command_lines())


def command_lines() -> Iterator[str]:
    """Of every process."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            yield file.read_text("utf-8", "replace")


def test_jars_that_are_there_are_not_asked_for_again(cache: Path) -> None:
    (cache / "kafka" / "1.0").mkdir(parents=True)
    jar = cache / "a.jar"
    jar.touch()
    (cache / "kafka" / "1.0" / "classpath").write_text(str(jar), "utf-8")
    assert resolved("1.0", ("org.slf4j:slf4j-api:2.0.17",)) == str(jar)
