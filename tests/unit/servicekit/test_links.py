"""Links: what they are about comes back, and nobody else can make one, nor turn one into another."""

import pytest
from pydantic import SecretStr

from contracts.booking import Channel
from servicekit.ids import new_id
from servicekit.links import AppointmentLinks, Subscription, UnsubscribeLinks, WaitlistLinks

KEY = SecretStr("k" * 40)
OF = Subscription(new_id(), new_id(), Channel.SMS, b"0123456789abcdef")


def test_a_token_tells_what_it_is_about() -> None:
    tenant, appointment = new_id(), new_id()
    token = AppointmentLinks(KEY).token(tenant, appointment)
    assert len(token) == 67
    assert AppointmentLinks(KEY).parse(token) == (tenant, appointment)
    token = UnsubscribeLinks(KEY).token(OF)
    assert len(token) == 90
    assert UnsubscribeLinks(KEY).parse(token) == OF


@pytest.mark.parametrize("place", range(0, 90, 7))
def test_a_changed_token_is_none(place: int) -> None:
    token = UnsubscribeLinks(KEY).token(OF)
    other = "B" if token[place] == "A" else "A"
    assert UnsubscribeLinks(KEY).parse(token[:place] + other + token[place + 1 :]) is None


@pytest.mark.parametrize("token", ["", "x", "§", "A" * 89, "A" * 90, "A" * 5000])
def test_anything_else_is_none(token: str) -> None:
    assert UnsubscribeLinks(KEY).parse(token) is None
    assert AppointmentLinks(KEY).parse(token) is None


def test_links_of_another_key_or_purpose_are_none() -> None:
    assert UnsubscribeLinks(SecretStr("l" * 40)).parse(UnsubscribeLinks(KEY).token(OF)) is None
    assert UnsubscribeLinks(KEY).parse(AppointmentLinks(KEY).token(new_id(), new_id())) is None
    # These two hold as much as each other: their purpose alone tells them apart.
    assert WaitlistLinks(KEY).parse(AppointmentLinks(KEY).token(new_id(), new_id())) is None
    assert AppointmentLinks(KEY).parse(WaitlistLinks(KEY).token(new_id(), new_id())) is None
    with pytest.raises(ValueError, match="32 bytes"):
        UnsubscribeLinks(SecretStr("short"))
