"""How far the rows of a table reach; worked out from the table, stored nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from metaxy.models.contract import TableContract

TimeIndex = datetime | date


@dataclass(frozen=True, slots=True)
class UpdateStatistics:
    """The greatest times among the current rows of a table, for an update to go on from.

    Attributes:
        max_time: Of all rows; None when there are none, or the table has no time index.
        max_time_by_entity: By entity: the values of the index columns behind the time, in their
            order. Empty when there are none.
    """

    max_time: TimeIndex | None = None
    max_time_by_entity: Mapping[tuple[Any, ...], TimeIndex] = field(
        default_factory=dict[tuple[Any, ...], TimeIndex]
    )

    def max_time_of(self, *entity: object) -> TimeIndex | None:
        """The greatest time of one entity; None if it was never seen.

        Args:
            entity: Its values for the index columns behind the time.
        """
        return self.max_time_by_entity.get(entity)


def update_statistics(rows: pl.LazyFrame | None, contract: TableContract) -> UpdateStatistics:
    """Work out the statistics of current rows, of which only the index columns are read.

    Args:
        rows: One row a current row; None where the table has none.
    """
    if rows is None or contract.time_index is None:
        return UpdateStatistics()
    time, *entities = contract.grain
    greatest = pl.col(time).max()
    index = rows.select(contract.grain)
    if not entities:
        return UpdateStatistics(index.select(greatest).collect().item())
    found = index.group_by(entities).agg(greatest).collect()
    by_entity = {tuple(entity): reached for *entity, reached in found.iter_rows()}
    return UpdateStatistics(max(by_entity.values(), default=None), by_entity)
