"""The comparison of what is expected with what is stored."""

from collections.abc import Sequence

import polars as pl

from metaxy.versioning.types import LazyIncrement


def compare_records(
    expected: pl.LazyFrame,
    current: pl.LazyFrame,
    *,
    id_columns: Sequence[str],
    removable: pl.LazyFrame | None = None,
    required: pl.LazyFrame | None = None,
    may_repeat: bool = False,
) -> LazyIncrement:
    """Tell which records are missing, out of date, or no longer expected.

    Args:
        expected: One row a record, with the `metaxy_provenance` it should have; never null.
        current: One row a stored record, with `id_columns` and the `metaxy_provenance` it has.
        id_columns: The columns that name a record in all frames; never null.
        removable: The stored records, whole, that may be reported as removed; `current` by default.
        may_repeat: Whether an id may come twice in `expected`, as in frames that users make; then
            it comes twice in `added` or `changed`, too.
        required: All records that are expected, when `expected` are only those asked about.

    Returns:
        `added` and `changed` with the columns of `expected`, `removed` with those of `removable`.
    """
    return LazyIncrement(
        expected,
        current,
        current if removable is None else removable,
        expected if required is None else required,
        tuple(id_columns),
        narrowed=required is not None,
        may_repeat=may_repeat,
    )
