"""Every problem that a service can answer with has its page, and no page is about nothing."""

import auth.errors
import billing.errors
import booking.errors
import gateway.errors
import notification.webhooks.errors
from gateway.problem_types import PROBLEM_TYPES
from servicekit import errors

MODULES = (
    errors,
    auth.errors,
    billing.errors,
    booking.errors,
    gateway.errors,
    notification.webhooks.errors,
)


def _all(kind: type[errors.Problem]) -> set[type[errors.Problem]]:
    return {kind}.union(*(_all(child) for child in kind.__subclasses__()))


def _raised() -> dict[str, type[errors.Problem]]:
    named = {module.__name__ for module in MODULES}
    return {kind.slug: kind for kind in _all(errors.Problem) if kind.__module__ in named}


def test_every_problem_is_explained() -> None:
    assert set(_raised()) == set(PROBLEM_TYPES)


def test_status_and_title_are_those_of_the_problem() -> None:
    for slug, kind in _raised().items():
        assert (PROBLEM_TYPES[slug].status, PROBLEM_TYPES[slug].title) == (kind.status, kind.title), slug
