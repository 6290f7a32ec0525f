"""The version of a record from its own values."""

import polars as pl

from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.types import HashAlgorithm
from metaxy.versioning.values import values_version
from reference.row_bytes import row_text


def _versions(frame: pl.DataFrame, *columns: str, **options: object) -> list[str]:
    hasher = RowHasher(**options)  # pyright: ignore[reportArgumentType] -- by name
    return frame.select(values_version(columns, hasher=hasher)).to_series().to_list()


def test_a_null_counts_as_no_column() -> None:
    """A row has its version before a column is added, and keeps it."""
    frame = pl.DataFrame({"a": [1.5, None], "b": ["x", "x"], "c": [None, None]})

    assert _versions(frame, "a", "b", "c") == _versions(frame, "b", "a")
    assert _versions(frame, "a", "b")[1] == _versions(frame, "b")[1]
    assert None not in _versions(frame, "c")
    assert len(set(_versions(frame, "c"))) == 1


def test_names_and_values_count() -> None:
    """The same value under another name is another row; so are values that joined look alike."""
    frame = pl.DataFrame({"a": ["x", None, "xy", "x"], "b": [None, "x", "z", "yz"]})

    assert len(set(_versions(frame, "a", "b"))) == 4


def test_every_type_that_a_lake_stores_counts() -> None:
    """Nested ones, too."""
    frame = pl.DataFrame(
        {"list": [[1], [2]], "struct": [{"x": 1}, {"x": 2}], "bytes": [b"1", b"2"]}
    ).with_columns(
        time=pl.Series([1, 2]).cast(pl.Datetime("us", "UTC")),
        date=pl.Series([1, 2]).cast(pl.Date),
        decimal=pl.Series([1, 2]).cast(pl.Decimal(10, 2)),
        bool=pl.Series([True, False]),
    )
    for name in frame.columns:
        assert len(set(_versions(frame, name))) == 2


def test_truncation_cuts_the_version_and_not_what_it_is_made_of() -> None:
    """The cut version is the beginning of the whole one."""
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    whole = _versions(frame, "a", "b", algorithm=HashAlgorithm.XXH3_128)
    cut = _versions(frame, "a", "b", algorithm=HashAlgorithm.XXH3_128, truncation=9)

    assert cut == [each[:9] for each in whole]


def test_a_version_is_made_as_it_is_written_down() -> None:
    """Digests of (name, value) rows, joined in the order of the names, hashed as a row of one."""
    frame = pl.DataFrame({"b": ["x"], "a": ["y"]})

    def row(*values: str) -> str:
        return row_text(values, algorithm="xxhash64")

    assert _versions(frame, "b", "a") == [row(row("a", "y") + row("b", "x"))]
