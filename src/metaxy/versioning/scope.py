"""Runtime filters: which records an increment is asked about.

A filter narrows the question, never the answer: it must not make a record look gone or changed.
So conditions are not simply applied to what is read. A record is in scope when the upstream record
that the condition is about fulfils it, and expected and stored records are narrowed to those
alike. Where a condition needs nothing but columns that name records, it can be told for records
that have gone, too, and narrows the upstream while it is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import narwhals as nw
import polars as pl

from metaxy.errors import FilterError, listed
from metaxy.graph.plan import InputPlan
from metaxy.models.keys import FeatureKey
from metaxy.versioning.system_columns import PREFIX

Condition = nw.Expr | pl.Expr
"""A boolean expression over a feature's columns; a record where it is null does not fulfil it."""

_KEPT: Final = f"{PREFIX}kept_"


@dataclass(frozen=True, slots=True)
class RuntimeFilters:
    """The conditions of one question.

    Attributes:
        by_feature: Conditions over the columns of that feature, all of which must hold.
        everywhere: Conditions that every feature which has their columns must fulfil.
    """

    by_feature: Mapping[FeatureKey, tuple[Condition, ...]]
    everywhere: tuple[Condition, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything is asked about."""
        return not self.everywhere and not any(self.by_feature.values())


NO_FILTERS: Final = RuntimeFilters({})


def fulfilling(frame: pl.LazyFrame, conditions: Iterable[Condition]) -> pl.LazyFrame:
    """The rows that fulfil all conditions."""
    for condition in conditions:
        if isinstance(condition, nw.Expr):
            frame = nw.to_native(nw.from_native(frame).filter(condition))
        else:
            frame = frame.filter(condition)
    return frame


def can_tell(condition: Condition, schema: Mapping[str, pl.DataType]) -> bool:
    """Whether a condition needs no other columns than these."""
    try:
        fulfilling(pl.LazyFrame(schema=dict(schema)), [condition]).collect_schema()
    except (pl.exceptions.ColumnNotFoundError, nw.exceptions.ColumnNotFoundError):
        return False
    return True


def conditions_of(
    filters: RuntimeFilters, feature: FeatureKey, schema: Mapping[str, pl.DataType]
) -> tuple[Condition, ...]:
    """What a feature's records must fulfil, given the columns that they have.

    Raises:
        FilterError: A condition on this feature needs a column that it doesn't have.
    """
    own = filters.by_feature.get(feature, ())
    if not all(can_tell(condition, schema) for condition in own):
        columns = [name for name in schema if not name.startswith(PREFIX)]
        raise FilterError(
            f"A filter on '{feature}' uses a column that it does not have. "
            f"It has: {listed(columns, limit=50)}."
        )
    return (*own, *(each for each in filters.everywhere if can_tell(each, schema)))


@dataclass(frozen=True, slots=True)
class InputScope:
    """The conditions on one input, sorted by how they can be told.

    Attributes:
        by_ids: Need only columns that name the input's records or groups.
        by_content: Need the upstream's current records.
        names: The upstream's name of each of those columns, and its name after renames.
    """

    by_ids: tuple[Condition, ...]
    by_content: tuple[Condition, ...]
    names: Mapping[str, str]


def input_scope(
    plan: InputPlan, conditions: Sequence[Condition], schema: Mapping[str, pl.DataType]
) -> InputScope:
    """Sort the conditions on an upstream."""
    original = {new: old for old, new in plan.rename.items()}
    names = {original.get(new, new): new for new in plan.id_columns}
    id_schema = {old: schema[old] for old in names}
    by_ids = tuple(each for each in conditions if can_tell(each, id_schema))
    by_content = tuple(each for each in conditions if not can_tell(each, id_schema))
    return InputScope(by_ids, by_content, names)


def ids_in_scope(records: pl.LazyFrame, scope: InputScope) -> pl.LazyFrame:
    """One row a record (or group) of an input with a current record in scope: its id columns.

    A group is in scope when one of its members is.
    """
    names = [pl.col(old).alias(new) for old, new in scope.names.items()]
    return fulfilling(records, scope.by_content).select(names).unique()


def fulfilling_renamed(
    frame: pl.LazyFrame, conditions: Sequence[Condition], names: Mapping[str, str]
) -> pl.LazyFrame:
    """The rows that fulfil conditions which are in other words than the frame.

    Args:
        names: For each column that the conditions may use, its name in the frame.
    """
    if not conditions:
        return frame
    if all(old == new for old, new in names.items()):
        return fulfilling(frame, conditions)
    kept = {name: f"{_KEPT}{name}" for name in frame.collect_schema().names()}
    told = frame.rename(kept).with_columns(
        pl.col(kept[new]).alias(old) for old, new in names.items()
    )
    original = {inner: outer for outer, inner in kept.items()}
    return fulfilling(told, conditions).select(original).rename(original)
