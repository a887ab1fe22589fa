"""What every part of the service layer refuses in the same words."""

from typing import TypeVar

from servicekit.errors import NotFound, PreconditionFailed

T = TypeVar("T")


def found(thing: T | None, name: str) -> T:
    """Raises NotFound for what is not there."""
    if thing is None:
        raise NotFound(f"There is no such {name}.")
    return thing


def require_version(version: int | None, present: int, thing: str) -> None:
    """Raises PreconditionFailed when an edit starts from another version than the present one; None is any."""
    if version not in {None, present}:
        raise PreconditionFailed(f"{thing} was edited in the meantime; read it again.")
