"""`python -m contracts docs/events [--check | --release]`: writes or checks the committed event documents.

Without a flag the files are written. `--check` writes nothing and ends with 1 when a file is out of date or when a
change would break a reader of the last release. `--release` copies today's schemas to `released/`, once they break
nobody: it is run when a version is released.
"""

import argparse
import json
import sys
from pathlib import Path

from contracts.compatibility import Break, Schema, breaks
from contracts.documents import documents
from contracts.schemas import event_schemas

_RELEASED = "released"


def released_schemas(folder: Path) -> dict[str, Schema]:
    """CloudEvents type to schema, as the last release promised them."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((folder / _RELEASED).glob("*.json"))
    }


def drift(folder: Path) -> list[str]:
    """A sentence for each file below `folder` that is missing, out of date, or belongs to no event."""
    wanted = documents()
    found = [
        f"{folder / path} is {'out of date' if (folder / path).exists() else 'missing'}"
        for path, text in wanted.items()
        if not (folder / path).exists() or (folder / path).read_text(encoding="utf-8") != text
    ]
    known = {folder / path for path in wanted}
    return found + [
        f"{path} belongs to no event" for path in (folder / "schemas").glob("*.json") if path not in known
    ]


def write(folder: Path) -> None:
    """Brings every generated file up to date and removes those of events that are gone."""
    wanted = documents()
    for path, text in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    known = {folder / path for path in wanted}
    for stale in (folder / "schemas").glob("*.json"):
        if stale not in known:
            stale.unlink()


def release(folder: Path) -> None:
    """Makes today's schemas the promise that later changes are held to."""
    target = folder / _RELEASED
    target.mkdir(parents=True, exist_ok=True)
    for event_type, schema in event_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (target / f"{event_type}.json").write_text(text, encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """The command line; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m contracts", description=__doc__)
    parser.add_argument("folder", type=Path)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true")
    mode.add_argument("--release", action="store_true")
    arguments = parser.parse_args(argv)
    broken: list[Break] = breaks(released_schemas(arguments.folder), event_schemas())
    faults = [f"breaks a reader: {item}" for item in broken]
    if arguments.check:
        faults += [
            f"{item}; run `python -m contracts {arguments.folder}`" for item in drift(arguments.folder)
        ]
    elif arguments.release and not faults:
        release(arguments.folder)
    if not arguments.check:
        write(arguments.folder)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
