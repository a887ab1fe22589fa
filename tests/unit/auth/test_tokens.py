"""Opaque tokens, sealed keys, and the JWTs that a keyring signs."""

import asyncio
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr, ValidationError

from auth.keyring import Seal, WrongEncryptionKey, new_key, public_jwk
from auth.opaque import OpaqueToken, TokenKind
from auth.passwords import Passwords
from auth.settings import AuthSettings

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TENANT = UUID("0197b0c4-0000-7000-8000-00000000abcd")


def test_a_token_reads_back_as_what_it_is() -> None:
    token = OpaqueToken.new(TokenKind.REFRESH, TENANT)
    read = OpaqueToken.parse(token.text())
    assert read == token
    assert read is not None
    assert read.digest() == token.digest()
    assert (len(token.text()), len(token.digest())) == (68, 32)


def test_no_two_tokens_are_the_same_and_none_shows_itself() -> None:
    first, second = (OpaqueToken.new(TokenKind.INVITATION, TENANT) for _ in range(2))
    assert first.digest() != second.digest()
    assert first.text() not in repr(first)
    assert first.random.hex() not in repr(first)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "swr",
        "swr_",
        "swr_AAAA",
        "swx_" + "A" * 64,
        "swr_" + "A" * 63 + "!",
        "swr_" + "A" * 68,
        "swr_é" * 9,
    ],
)
def test_what_is_no_token_is_none(text: str) -> None:
    assert OpaqueToken.parse(text) is None


def test_a_sealed_key_opens_with_its_own_seal_only() -> None:
    key = new_key(Seal(b"k" * 32), NOW)
    private = Seal(b"k" * 32).open(key)
    assert public_jwk(private.public_key())["kid"] == key.kid
    assert private.private_bytes_raw() not in key.sealed
    with pytest.raises(WrongEncryptionKey, match="another SLOTWRIGHT_ENCRYPTION_KEY"):
        Seal(b"x" * 32).open(key)


def test_a_sealed_key_cannot_take_anothers_place() -> None:
    seal = Seal(b"k" * 32)
    one, other = new_key(seal, NOW), new_key(seal, NOW)
    swapped = type(one)(one.kid, other.sealed, one.signs_from)
    with pytest.raises(WrongEncryptionKey):
        seal.open(swapped)


def test_a_jwk_has_the_public_half_only_and_the_thumbprint_of_rfc_8037() -> None:
    """The key pair and its thumbprint are those of RFC 8037, appendix A."""
    raw = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    jwk = public_jwk(Ed25519PrivateKey.from_private_bytes(raw).public_key())
    assert jwk == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "alg": "EdDSA",
        "use": "sig",
    }


def test_the_jwks_verifies_what_the_key_signs() -> None:
    seal = Seal(b"k" * 32)
    private = seal.open(new_key(seal, NOW))
    token = jwt.encode({"sub": "ada"}, private, algorithm="EdDSA")
    key = jwt.PyJWK.from_json(json.dumps(public_jwk(private.public_key())))
    assert jwt.decode(token, key, algorithms=["EdDSA"]) == {"sub": "ada"}


async def test_a_password_fits_itself_only_and_nobody_has_none() -> None:
    passwords = Passwords(cores=2)
    known = await passwords.hash("a green bicycle")
    assert known.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify("a green bicycle", known) == (True, None)
    assert await passwords.verify("a green bicycl", known) == (False, None)
    assert await passwords.verify("a green bicycle", None) == (False, None)


async def test_a_node_of_many_cores_does_not_hash_more_at_once_than_a_pod_has_memory_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    before = set(threading.enumerate())
    passwords = Passwords()
    await asyncio.gather(*(passwords.verify("a green bicycle", None) for _ in range(64)))
    assert 1 <= len(set(threading.enumerate()) - before) <= 4


async def test_a_hash_of_older_parameters_is_made_anew() -> None:
    passwords = Passwords(cores=1)
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("a green bicycle")
    fits, fresh = await passwords.verify("a green bicycle", old)
    assert fits
    assert fresh is not None
    assert await passwords.verify("a green bicycle", fresh) == (True, None)


@pytest.mark.parametrize("key", ["", "short", "!" * 43, "QUJD", "A" * 44 + "AA"])
def test_an_encryption_key_of_another_length_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AuthSettings(encryption_key=SecretStr(key))
    faults: list[Any] = caught.value.errors(include_input=False)
    assert faults[0]["loc"] == ("encryption_key",)
    assert not key or key not in faults[0]["msg"]


def test_a_key_of_32_bytes_is_taken_with_or_without_padding() -> None:
    for text in ("A" * 43, "A" * 43 + "="):
        assert AuthSettings(encryption_key=SecretStr(text)).sealing_key() == bytes(32)


def test_the_linger_outlasts_an_access_token() -> None:
    settings = AuthSettings(encryption_key=SecretStr("A" * 43), access_token_seconds=600)
    assert settings.key_times().linger > timedelta(seconds=600)
