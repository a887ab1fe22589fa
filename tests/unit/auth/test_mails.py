"""What the mails say."""

from datetime import UTC, datetime
from uuid import UUID

from auth.domain import Invitation, InvitationState, Role, User
from auth.mails import invitation_letter, reset_letter
from auth.opaque import OpaqueToken, TokenKind

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
URL = "https://book.example"


def _invitation(role: Role, name: str = "Ada") -> Invitation:
    return Invitation(
        tenant_id=UUID(int=1),
        invitation_id=UUID(int=2),
        email="ada@riverside.example",
        name=name,
        role=role,
        state=InvitationState.PENDING,
        invited_by=None,
        created_at=NOW,
        sent_at=None,
        expires_at=None,
        refused=None,
    )


def test_the_link_carries_the_token_in_the_fragment() -> None:
    token = OpaqueToken.new(TokenKind.INVITATION, UUID(int=1))
    letter = invitation_letter(_invitation(Role.OWNER), "Riverside Barbers", token, NOW, URL)
    assert letter.to == "ada@riverside.example"
    assert "Riverside Barbers" in letter.subject
    assert f"{URL}/set-password#token={token.text()}\n" in letter.text
    assert "01 June 2026, 12:00 UTC" in letter.text


def test_a_name_cannot_add_a_line_to_a_header_or_the_text() -> None:
    token = OpaqueToken.new(TokenKind.INVITATION, UUID(int=1))
    name = "Ada\nBcc: all@example.com"
    letter = invitation_letter(_invitation(Role.STAFF, name), "River\r\nside", token, NOW, URL)
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject
    assert "Hello Ada Bcc: all@example.com," in letter.text


def test_a_reset_names_the_account() -> None:
    token = OpaqueToken.new(TokenKind.PASSWORD_RESET, UUID(int=0))
    letter = reset_letter(User(UUID(int=1), "ada@riverside.example", "Ada", "", NOW), token, NOW, URL)
    assert "ada@riverside.example" in letter.text
    assert f"#token={token.text()}" in letter.text
