"""A check that all of the service layer shares: business.service, business.closures, business.resources."""

from servicekit.errors import PreconditionFailed


def require_version(version: int | None, present: int, thing: str) -> None:
    """Raises PreconditionFailed when an edit starts from another version than the present one; None is any."""
    if version not in {None, present}:
        raise PreconditionFailed(f"{thing} was edited in the meantime; read it again.")
