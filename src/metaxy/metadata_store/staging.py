"""Lazy frames, evaluated once into a file that can be read several times.

A lazy frame may be larger than memory, costly, or different each time that it is collected; but a
write must check all of it before the first row lands, and may have to write it again after a
conflict. So it is streamed into a temporary Parquet file first. That needs as much room in the
system's temporary folder (`TMPDIR`) as the frame takes when compressed.
"""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl


@contextmanager
def staged(frame: pl.LazyFrame) -> Generator[pl.LazyFrame]:
    """Give a scan of the frame's rows, valid inside the block."""
    with tempfile.TemporaryDirectory(prefix="metaxy-staged-") as folder:
        path = Path(folder) / "rows.parquet"
        frame.sink_parquet(path, compression="lz4", maintain_order=False)
        yield pl.scan_parquet(path)
