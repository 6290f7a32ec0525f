"""Which rows a purge is about: those that agree with given values in some columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from metaxy.versioning.id_types import common_id_type


@dataclass(frozen=True, slots=True)
class Marks:
    """Values that mark rows of a table.

    Attributes:
        frames: A row that agrees with a row of any of them, in all of its columns, is marked. Null
            agrees with nothing.
    """

    frames: tuple[pl.DataFrame, ...]

    def marked(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows that are marked, each once.

        Values of types that have nothing in common are compared as texts, and columns that the rows
        lack (of an older table, say) not at all: rather too many rows are marked than too few.
        """
        return self._parted(rows)[0]

    def unmarked(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The other rows."""
        return self._parted(rows)[1]

    def _parted(self, rows: pl.LazyFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        schema = rows.collect_schema()
        found: list[pl.LazyFrame] = [rows.clear()]
        left = rows
        for frame in self.frames:
            names = [name for name in frame.columns if name in schema]
            if not names or frame.is_empty():
                continue
            types = {name: _common_type(schema[name], frame.schema[name]) for name in names}
            keys = [pl.col(name).cast(dtype, strict=False) for name, dtype in types.items()]
            values = frame.lazy().select(keys).unique()
            found.append(left.join(values, left_on=keys, right_on=names, how="semi"))
            left = left.join(values, left_on=keys, right_on=names, how="anti")
        return pl.concat(found), left


@dataclass(frozen=True, slots=True)
class Found:
    """What a purge finds in one table.

    Attributes:
        rows: How many rows of its newest version are marked.
        values: The columns that were asked for, of all marked rows, in whatever version they are.
        files: The files with marked rows, by their paths in the table's folder, with their sizes in
            bytes; those of no version are not among them.
        uncommitted: Files with marked rows that no commit has added: of a writer that was killed,
            or is still at work.
    """

    rows: int
    values: pl.DataFrame
    files: Mapping[str, int]
    uncommitted: tuple[str, ...]


def _common_type(first: pl.DataType, second: pl.DataType) -> pl.DataType:
    common = common_id_type([first, second])
    return pl.String() if common is None else common


def renamed_values(
    frames: Iterable[pl.DataFrame], names: Mapping[str, str]
) -> tuple[pl.DataFrame, ...]:
    """The values of some columns, each once, under other names; of the frames that have them all.

    Args:
        names: The name that each column gets.
    """
    chosen = [
        frame.select(pl.col(old).alias(new) for old, new in names.items()).drop_nulls().unique()
        for frame in frames
        if set(names).issubset(frame.columns)
    ]
    return tuple(frame for frame in chosen if frame.height)
