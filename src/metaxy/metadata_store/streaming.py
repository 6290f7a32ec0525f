"""Lazy frames as streams of Arrow batches, which Delta's writer takes without holding them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
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


class BatchStream:
    """Lazy frames of one schema, evaluated one after the other as they are read.

    Args:
        on_rows: Told how many rows were read so far, now and then.

    Attributes:
        rows: How many were read so far.
    """

    def __init__(
        self, parts: Sequence[pl.LazyFrame], schema: pl.Schema, *, on_rows: Callable[[int], None]
    ) -> None:
        self.rows = 0
        self._schema = schema
        self._on_rows = on_rows
        self._unread = self._counted(chain.from_iterable(map(_batches, parts)))

    def is_empty(self) -> bool:
        """Whether there is no row to be read; reads up to the first one."""
        first = next(self._unread, None)
        if first is not None:
            self._unread = chain([first], self._unread)
        return first is None

    def reader(self) -> Any:  # noqa: ANN401 -- pyarrow ships no types
        """A `pyarrow.RecordBatchReader` of the rows; they can be read once."""
        return _ARROW.RecordBatchReader.from_batches(arrow_schema(self._schema), self._unread)

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if batch.num_rows:
                self.rows += batch.num_rows
                self._on_rows(self.rows)
                yield batch


def _batches(rows: pl.LazyFrame) -> Iterator[Any]:
    for chunk in rows.collect_batches(chunk_size=_BATCH_ROWS, engine="streaming"):
        yield from cast("Any", chunk).to_arrow(compat_level=_OLDEST).to_batches()
