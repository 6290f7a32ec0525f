"""Row hashes: their bytes, their digests, their text."""

from datetime import UTC, date, datetime
from typing import Literal

import polars as pl
import polars_hash as plh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.types import HashAlgorithm
from reference.row_bytes import DIGESTS, Value, row_bytes, row_text

GOLDEN = {
    "xxhash64": "bd318e2e05fd47de",
    "xxhash32": "72521ce8",
    "xxh3_64": "24873bfb4c1edc3e",
    "xxh3_128": "06e1780b19ed424dd90c830f28def8dd",
    "wyhash": "3e3d136a23cd0e0b",
    "sha256": "d0a8b0dde699b2e43325cd8a13b09815daf586846107d100278837cbe64c4003",
    "md5": "4daa3d2763451a7db5e001742ffd6cfd",
}
"""What the row ('["default","1",["video.audio"]]', 'ä', null, true, -300) hashes to, for ever."""

ROW: tuple[Value, ...] = ('["default","1",["video.audio"]]', "ä", None, True, -300)


def _hashed(
    values: tuple[Value, ...], algorithm: str = "xxhash64", truncation: int | None = None
) -> str:
    hasher = RowHasher(HashAlgorithm(algorithm), truncation)
    return pl.select(hasher.hashed([pl.lit(value) for value in values])).item()


@pytest.mark.parametrize("algorithm", sorted(HashAlgorithm))
def test_digests_are_pinned(algorithm: str) -> None:
    """No release may give another digest: every stored version would look changed."""
    assert _hashed(ROW, algorithm) == GOLDEN[algorithm]


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_digests_are_those_of_other_implementations(algorithm: str) -> None:
    """The digest of the documented bytes, in lower-case hexadecimal of a fixed width."""
    assert _hashed(ROW, algorithm) == row_text(ROW, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", sorted(HashAlgorithm))
def test_the_bytes_of_a_digest_are_those_of_its_text(algorithm: str) -> None:
    """Uncut: they enter other rows."""
    hasher = RowHasher(HashAlgorithm(algorithm), 8)

    found = pl.select(hasher.digest_bytes([pl.lit(value) for value in ROW])).item()

    assert found == bytes.fromhex(GOLDEN[algorithm])


def test_the_bytes_of_a_row_are_written_out() -> None:
    """As in docs/format.md."""
    assert row_bytes(["a", "", None, True, False, 0, -300, date(1970, 1, 3), b"z"]).hex(" ") == (
        "0d 09 05 01 61 05 00 00 02 01 03 01 00 03 00 ac 02 07 01 02 06 01 7a"
    )


@given(
    st.lists(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text(max_size=200)
        | st.binary(max_size=200)
        | st.decimals(-(10**9), 10**9, places=3)
        | st.dates()
        | st.datetimes(timezones=st.just(UTC)),
        min_size=1,
        max_size=130,
    )
)
def test_any_row_has_the_documented_bytes(values: list[Value]) -> None:
    """Also long ones, and those of instants before 1970."""
    encoded = plh.hash_rows(
        [pl.lit(value).alias(str(n)) for n, value in enumerate(values)], version=1
    )

    assert pl.select(encoded).item() == row_bytes(values)


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt16, pl.Int32, pl.Int64, pl.UInt64, pl.Int128])
def test_the_width_of_an_integer_does_not_matter(dtype: type[pl.DataType]) -> None:
    """So an id may be written as Int32 today and as Int64 tomorrow."""
    frame = pl.DataFrame({"id": [7]}, schema={"id": dtype})

    assert frame.select(RowHasher().hashed([pl.col("id")])).item() == _hashed((7,))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_the_unit_of_an_instant_does_not_matter(unit: Literal["ms", "us", "ns"]) -> None:
    """Nor does its time zone."""
    moment = datetime(2026, 1, 31, 10, tzinfo=UTC)
    instant = pl.lit(moment).dt.cast_time_unit(unit).dt.convert_time_zone("Europe/Paris")

    assert pl.select(RowHasher().hashed([instant])).item() == _hashed((moment,))


def test_versions_are_cut_and_digests_are_not() -> None:
    """A group's members are hashed whole, whatever the length of versions."""
    hasher = RowHasher(HashAlgorithm.XXHASH64, 8)
    cut, whole = pl.select(
        hasher.hashed([pl.lit("a")]).alias("cut"), hasher.digest([pl.lit("a")]).alias("whole")
    ).row(0)

    assert cut == whole[:8]
    assert len(whole) == 16


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((None,), ("",)),
        (("ab", "c"), ("a", "bc")),
        (("a", None), ("a",)),
        ((True,), (1,)),
        ((1,), ("1",)),
    ],
)
def test_rows_that_differ_hash_differently(
    one: tuple[Value, ...], other: tuple[Value, ...]
) -> None:
    """By values, their borders, their number and their types."""
    assert _hashed(one) != _hashed(other)


def test_constants_alone_give_a_version_for_every_row() -> None:
    """A field that depends on nothing has a version in each record, and none in no record."""
    frame = pl.LazyFrame({"id": [1, 2]})
    hashed = RowHasher().hashed([pl.lit("a")]).alias("version")

    assert frame.with_columns(hashed).collect()["version"].to_list() == [_hashed(("a",))] * 2
    assert frame.head(0).with_columns(hashed).collect().height == 0
