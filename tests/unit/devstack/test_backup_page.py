"""docs/backup.md names the databases and consumer groups that there are, and forgets none."""

import re
from pathlib import Path

from contracts.platform import Component
from contracts.topics import TOPICS
from devstack.services import DATABASE_SERVICES

_ROOT = Path(__file__).parents[3]
PAGE = (_ROOT / "docs" / "backup.md").read_text("utf-8")
_LOOK = "restore.look"
"""Made by the page itself."""


def _groups() -> set[str]:
    sources = (_ROOT / "services").glob("*/src/**/*.py")
    code = "\n".join(path.read_text("utf-8") for path in sources)
    own = {
        f"{service}.{name}" for service, name in re.findall(r'EventConsumer\(\s*"(\w+)",\s*"(\w+)",', code)
    }
    assert {"scheduler.timers", "notification.webhooks"} <= own
    return own | {f"{part.value}.tenants" for part in Component}


def test_every_group_that_is_rewound_is_one() -> None:
    named = set(re.findall(r"--group ([\w.]+)", PAGE)) - {_LOOK}
    assert "scheduler.timers" in named
    assert named <= _groups()


def test_the_page_says_of_every_group_whether_it_is_rewound() -> None:
    """By name, or in the line of its service. Webhooks are called once: what was told before is not told again."""
    lines = {line.split("|")[1].strip(): line for line in PAGE.splitlines() if line.startswith("| ")}
    for group in _groups() - {"notification.webhooks"}:
        service, name = group.split(".")
        assert f"--group {group} " in PAGE or f"`{name}`" in lines[service], group


def test_every_database_is_backed_up_and_restored() -> None:
    loops = re.findall(r"for service in ([a-z ]+);", PAGE)
    assert len(loops) >= 3
    assert {frozenset(loop.split()) for loop in loops} == {frozenset(DATABASE_SERVICES)}
    assert set(re.findall(r"--dbname (\w+)", PAGE)) <= {*DATABASE_SERVICES, "postgres"}


def test_every_topic_that_is_read_or_rewound_is_one() -> None:
    assert set(re.findall(r"--topic ([\w.]+)", PAGE)) <= {topic.name for topic in TOPICS}
