"""Digests are pinned: a change of any of them changes every version in every lake."""

import hashlib

import pytest

from metaxy.errors import ConfigError
from metaxy.hashing import digest, truncate


def by_hand(domain: str, encoded_value: bytes) -> str:
    """Compute a digest from bytes that were put together by hand."""
    name = domain.encode()
    both = b"S" + len(name).to_bytes(8, "big") + name + encoded_value
    return hashlib.sha256(b"L" + len(both).to_bytes(8, "big") + both).hexdigest()


GOLDEN = {
    "none": (
        None,
        b"N" + bytes(8),
        "3759d8660d53e9296af1b3ce2aae05644bd922bb9afa2bc070676732429ab2cb",
    ),
    "text": (
        "audio",
        b"S" + bytes(7) + b"\x05audio",
        "b5fd36930ca8a5d05aa6ff85fdd70f5bc3481e3d52d557496288a4793d0862bc",
    ),
    "list": (
        ["a", 1],
        b"L" + bytes(7) + b"\x14" + b"S" + bytes(7) + b"\x01a" + b"I" + bytes(7) + b"\x011",
        "1e2bba27e091cec0cc1afe7d8d33bc9fcd646eff85da8ef3a6810c156a103349",
    ),
    "mapping": (
        {"k": True},
        b"M" + bytes(7) + b"\x14" + b"S" + bytes(7) + b"\x01k" + b"B" + bytes(7) + b"\x01\x01",
        "49c505c55cbe99278a9d862e484778ece488b0682c950834c1649458d722da4c",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_digest_is_the_sha256_of_domain_and_value(name: str) -> None:
    """The code, bytes put together by hand, and the literal all agree."""
    value, encoded, literal = GOLDEN[name]

    assert by_hand("metaxy/test/1", encoded) == literal
    assert digest("metaxy/test/1", value) == literal


def test_domains_are_kept_apart() -> None:
    """One value has another digest in every domain, also where domain and value could run on."""
    digests = {digest("a", "bc"), digest("ab", "c"), digest("abc", "")}

    assert len(digests) == 3


def test_a_version_is_cut_only_when_asked() -> None:
    """None is the whole version; a greater length than there is cuts nothing."""
    version = digest("a", None)

    assert truncate(version, None) == version
    assert truncate(version, 8) == version[:8]
    assert truncate(version, 100) == version


def test_a_length_that_would_collide_is_refused() -> None:
    """Under 8 characters is an error that names the setting."""
    with pytest.raises(ConfigError, match="hash_truncation_length is 7") as caught:
        truncate("0123456789", 7)

    assert caught.value.setting == "hash_truncation_length"
