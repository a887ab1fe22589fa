"""A tenant that is settled, and one that goes: where tests of the operator's decisions begin."""

from dataclasses import replace

from unit.operator.surroundings import Surroundings


def settled() -> Surroundings:
    world = Surroundings()
    world.settle()
    world.answer_all()
    world.settle()
    return world


def deleting(world: Surroundings) -> None:
    world.tenant = replace(world.tenant, deleted_at=world.now)
