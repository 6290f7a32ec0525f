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

from metaxy.errors import StoreError


@contextmanager
def staged(frame: pl.LazyFrame) -> Generator[pl.LazyFrame]:
    """Give a scan of the frame's rows, valid inside the block.

    Raises:
        StoreError: It can't be evaluated, or doesn't fit into the temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="metaxy-staged-") as folder:
        path = Path(folder) / "rows.parquet"
        try:
            frame.sink_parquet(path, compression="lz4", maintain_order=False)
        except (OSError, pl.exceptions.ComputeError) as error:
            raise StoreError(
                f"A lazy frame can't be evaluated into the temporary folder '{folder}', and "
                f"nothing was written: {error}"
            ) from error
        yield pl.scan_parquet(path)
