"""Rows of two frames in memory that name one record, brought together without moving the frames."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from metaxy.versioning.id_types import common_id_type
from metaxy.versioning.system_columns import PREFIX

_PLACE: Final = f"{PREFIX}place"
_ROW: Final = f"{PREFIX}row"


def matching_values(
    frame: pl.DataFrame, other: pl.DataFrame, *, on: Sequence[str], column: str
) -> pl.Series:
    """For each row of a frame, the value of a column in the row of the other with the same names.

    Null where the other has no such row. Only the names are joined, and not even those where both
    frames have the same in the same order.

    Args:
        other: No names come twice in it.
        on: The columns that name a record, in both; of types that can be compared.
    """
    types = {
        name: common_id_type([frame.schema[name], other.schema[name]]) or frame.schema[name]
        for name in on
    }
    names = [pl.col(name).cast(dtype) for name, dtype in types.items()]
    wanted, known = frame.select(names), other.select(names)
    if wanted.equals(known):
        return other.get_column(column)
    # In any order, which takes the streaming engine half as long as in the frame's, and less the
    # more records there are; so each place is put where it belongs afterwards.
    met = (
        wanted.lazy()
        .with_row_index(_ROW)
        .join(known.lazy().with_row_index(_PLACE), on=list(on))
        .select(_ROW, _PLACE)
        .collect()
    )
    places = pl.repeat(None, wanted.height, dtype=pl.UInt32, eager=True)
    places = places.scatter(met.get_column(_ROW), met.get_column(_PLACE))
    return other.get_column(column).gather(places)
