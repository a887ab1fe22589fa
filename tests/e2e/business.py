"""The business that the story leaves, and its owner's way in. Used by test_platform."""

from dataclasses import dataclass

import httpx

from devstack.story import OWNER


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

    def owner(self) -> httpx.Client:
        """Signed in for some minutes."""
        body = {"email": OWNER, "password": self.password, "business": self.slug}
        session = httpx.post(f"{self.gateway}/v1/sessions", json=body, timeout=30).raise_for_status().json()
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        return httpx.Client(base_url=self.gateway, headers=headers, timeout=30)
