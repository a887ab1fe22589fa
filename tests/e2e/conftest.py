"""The cluster that most end-to-end tests share, with the platform installed and its story told once."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from devstack.story import OWNER, SLUG
from e2e.world import World, made_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """With the platform installed."""
    with made_world(f"slotwright-e2e-{secrets.token_hex(3)}") as made:
        made.install()
        yield made


@dataclass(frozen=True)
class Business:
    """The story's business, and its owner's way in."""

    proofs: dict[str, list[str]]
    """Each step of the story with what proved it."""
    password: str
    slug: str
    staff_id: str
    service_id: str
    gateway: str

    def as_owner(self, path: str, **params: Any) -> Any:
        body = {"email": OWNER, "password": self.password, "business": self.slug}
        session = httpx.post(f"{self.gateway}/v1/sessions", json=body, timeout=30).raise_for_status().json()
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        answer = httpx.get(f"{self.gateway}{path}", headers=headers, params=params, timeout=30)
        return answer.raise_for_status().json()


@pytest.fixture(scope="session")
def business(world: World) -> Business:
    """The story is told to its end; what it leaves is a business that can be booked day and night."""
    story = world.story()
    try:
        proofs = {step.title: step.tell() for step in story.steps()}
    finally:
        story.close()
    assert story.password is not None
    found = httpx.get(f"{world.gateway}/v1/public/{SLUG}", timeout=30).raise_for_status().json()
    return Business(
        proofs, story.password, SLUG, found["staff"][0]["id"], found["services"][0]["id"], world.gateway
    )
