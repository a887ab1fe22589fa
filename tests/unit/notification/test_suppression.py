"""Under which digests an address stands in the list of who is not written to any more."""

import pytest

from contracts.booking import Channel
from notification.suppression import digest_of, digests_of
from servicekit.ids import new_id

TENANT = new_id()


@pytest.mark.parametrize(
    "written", ["ana@münchen.example", " Ana@MÜNCHEN.example", "ana@xn--mnchen-3ya.example"]
)
def test_a_domain_in_another_script_counts_as_mail_goes_to_it(written: str) -> None:
    assert digest_of(TENANT, Channel.EMAIL, written) == digest_of(
        TENANT, Channel.EMAIL, "ana@xn--mnchen-3ya.example"
    )


@pytest.mark.parametrize(
    ("channel", "address", "known"),
    [
        (Channel.EMAIL, "ana@münchen.example", 2),
        (Channel.EMAIL, "ana@xn--mnchen-3ya.example", 2),
        (Channel.EMAIL, "ana@xn--a.example", 1),
        (Channel.EMAIL, "ana@riverside.example", 1),
        (Channel.EMAIL, f"ana@{'ü' * 300}.example", 1),
        (Channel.SMS, "+351912345678", 1),
    ],
)
def test_an_address_is_looked_for_by_what_it_stood_under_before_too(
    channel: Channel, address: str, known: int
) -> None:
    digests = digests_of(TENANT, channel, address)
    assert digests[0] == digest_of(TENANT, channel, address)
    assert len(digests) == known


@pytest.mark.parametrize("written", ["Ana@XN--MNCHEN-3YA.example", "ana@xn--mnchen-3ya.example"])
def test_who_writes_the_domain_as_mail_goes_to_it_finds_what_stood_there_before_in_its_script(
    written: str,
) -> None:
    before = digests_of(TENANT, Channel.EMAIL, "ana@münchen.example")[1]
    assert before in digests_of(TENANT, Channel.EMAIL, written)
