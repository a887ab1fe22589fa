"""docs/settings.md has every setting of every part, as the classes have it."""

from pydantic_settings import BaseSettings

from devstack.settings_page import FILE, PARTS, SHARED, settings_of, shared_by, tables, written
from servicekit.settings import Settings


def test_the_tables_are_those_of_the_classes() -> None:
    page = FILE.read_text("utf-8")
    assert written(page) == page, "run `make settings`"


def test_every_setting_says_what_it_is_for() -> None:
    kinds = [*SHARED.values(), *(settings_of(part) for part in PARTS)]
    mute = [
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name, each in kind.model_fields.items()
        if not each.description
    ]
    assert mute == []


def test_no_class_of_settings_is_left_out() -> None:
    tables()  # which takes in every part
    assert set(_below(BaseSettings)) == {Settings, *SHARED.values(), *_with_bases()}
    assert {name for part in PARTS for name in shared_by(part)} == set(SHARED)


def _with_bases() -> set[type]:
    return {base for part in PARTS for base in settings_of(part).__mro__ if issubclass(base, Settings)}


def _below(kind: type[BaseSettings]) -> set[type[BaseSettings]]:
    """The platform's classes below this one."""
    found = {each for child in kind.__subclasses__() for each in (child, *_below(child))}
    return {each for each in found if each.__module__.partition(".")[0] in {"servicekit", *PARTS.values()}}
