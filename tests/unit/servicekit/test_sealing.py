"""Secrets at rest open under their own key and name only."""

import pytest

from servicekit.sealing import Seal, WrongSeal


def test_what_is_sealed_opens_under_its_own_key_and_name_only() -> None:
    seal = Seal(b"k" * 32)
    sealed = seal.seal("one", b"secret")
    assert seal.open("one", sealed) == b"secret"
    assert b"secret" not in sealed
    for other, name in ((Seal(b"x" * 32), "one"), (seal, "other")):
        with pytest.raises(WrongSeal):
            other.open(name, sealed)


@pytest.mark.parametrize("text", [b"", b"short", bytes(12), bytes(60)])
def test_what_is_no_seal_does_not_open(text: bytes) -> None:
    with pytest.raises(WrongSeal):
        Seal(b"k" * 32).open("one", text)


def test_one_secret_is_never_sealed_to_the_same_bytes() -> None:
    seal = Seal(b"k" * 32)
    assert seal.seal("one", b"secret") != seal.seal("one", b"secret")
