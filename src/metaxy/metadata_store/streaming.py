"""Lazy frames as streams of Arrow batches, which Delta's writer takes without holding them."""

from collections.abc import Iterator
from typing import Any, Final, cast

import polars as pl
import pyarrow as pa

_BATCH_ROWS: Final = 16_384
"""Some tens of batches wait for the writer (measured: eight times as many rows, 350 MB more)."""
_OLDEST: Final = pl.CompatLevel.oldest()
"""delta-rs can't write the newer string views."""

_ARROW: Any = pa  # it ships no types


def arrow_schema(schema: pl.Schema) -> Any:  # noqa: ANN401 -- pyarrow ships no types
    """The Arrow schema of a Polars frame."""
    return cast("Any", pl.DataFrame(schema=schema)).to_arrow(compat_level=_OLDEST).schema


def record_batches(rows: pl.LazyFrame) -> Any:  # noqa: ANN401 -- pyarrow ships no types
    """A `pyarrow.RecordBatchReader` that evaluates a frame as it is read."""
    schema = arrow_schema(rows.collect_schema())
    return _ARROW.RecordBatchReader.from_batches(schema, _batches(rows))


def _batches(rows: pl.LazyFrame) -> Iterator[Any]:
    for chunk in rows.collect_batches(chunk_size=_BATCH_ROWS, engine="streaming"):
        yield from cast("Any", chunk).to_arrow(compat_level=_OLDEST).to_batches()
