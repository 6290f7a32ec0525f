"""Runtime filters: which records an increment is asked about.

A filter narrows the question, never the answer: it must not make a record look gone or changed.
So conditions are not simply applied to what is read. Expected and stored records are narrowed
alike, to those in scope, and what is then said of them is what would be said without a filter:

- A condition on an upstream is told by the upstream's current records, before the dependency's
  static filters. A record is in scope when its record of that upstream fulfils the condition; a
  group, when one of its members does. Where the upstream's record is gone, nothing can be told and
  the record is out of scope; unless the condition needs nothing but columns that name the record,
  and compares no records with one another.
- A condition on the feature itself is told by what is expected of the record where that has the
  columns, else by what is stored of it; a record of which neither is known is out of scope.
- A global condition is one on every feature that has its columns, the feature itself included, but
  that doesn't put records out of scope for not being stored yet when an upstream can tell.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import narwhals as nw
import polars as pl

from metaxy.errors import FilterError, did_you_mean, listed
from metaxy.graph.plan import InputPlan
from metaxy.models.filters import SqlFilter
from metaxy.models.keys import FeatureKey
from metaxy.versioning.filters import filter_expression
from metaxy.versioning.system_columns import PREFIX

Condition = nw.Expr | pl.Expr | SqlFilter
"""A truth value over a feature's columns; a record where it is null does not fulfil it."""

_MISSING: Final = (pl.exceptions.ColumnNotFoundError, nw.exceptions.ColumnNotFoundError)
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
    """The rows that fulfil all conditions.

    Raises:
        FilterError: A condition needs a column that isn't there, or makes no sense for its type.
    """
    for condition in conditions:
        try:
            frame = _fulfilling(frame, condition)
        except _MISSING as error:
            names = frame.collect_schema().names()
            told, there = _columns_told(condition, names)
            raise FilterError(
                f"A filter uses a column that the records do not have{told}. They have: {there}"
            ) from error
    return frame


def _fulfilling(frame: pl.LazyFrame, condition: Condition) -> pl.LazyFrame:
    try:
        match condition:
            case SqlFilter():
                told = frame.filter(filter_expression(condition, frame.collect_schema()))
            case nw.Expr():
                told = nw.to_native(nw.from_native(frame).filter(condition))
            case _:
                told = frame.filter(condition)
        told.collect_schema()
    except _MISSING:
        raise
    except (pl.exceptions.PolarsError, nw.exceptions.NarwhalsError) as error:
        reason = str(error).partition("\n")[0]
        raise FilterError(f"A filter can't be applied to these columns: {reason}") from error
    return told


def can_tell(condition: Condition, schema: Mapping[str, pl.DataType]) -> bool:
    """Whether a condition needs no other columns than these."""
    try:
        _fulfilling(pl.LazyFrame(schema=dict(schema)), condition)
    except _MISSING:
        return False
    return True


def can_tell_by_name(condition: Condition, names: Iterable[str]) -> bool:
    """Whether a condition needs no other columns than these, whose types aren't known."""
    try:
        return can_tell(condition, dict.fromkeys(names, pl.Null()))
    except FilterError:
        return True


def tells_records_apart(condition: Condition, schema: Mapping[str, pl.DataType]) -> bool:
    """Whether a condition is told of each record by itself, whatever other records there are.

    One that compares records (`id == id.max()`) gives something else over stored rows, superseded
    ones and tombstones included, than over current records. Polars is asked: a condition moves
    below a join exactly if it looks at one row at a time, and can't fail.

    Args:
        schema: The columns of the condition, at least.
    """
    if isinstance(condition, SqlFilter):
        return True
    rows = pl.LazyFrame(schema=dict(schema))
    try:
        filtered = _fulfilling(rows.join(rows, on=list(schema), how="semi"), condition)
        return filtered.explain().startswith("SEMI JOIN")
    except (FilterError, *_MISSING):
        return False


def needs_other_columns(
    feature: FeatureKey, condition: Condition, names: Iterable[str]
) -> FilterError:
    """The error for a condition on a feature that doesn't have its columns."""
    told, there = _columns_told(condition, names)
    return FilterError(
        f"A filter on '{feature}' uses a column that it does not have{told}. It has: {there}"
    )


def _columns_told(condition: Condition, names: Iterable[str]) -> tuple[str, str]:
    """Which columns a condition lacks, where that can be told, and which there are."""
    columns = sorted(name for name in names if not name.startswith(PREFIX))
    there = f"{listed(columns, limit=50)}."
    if not isinstance(condition, SqlFilter):
        return "", there
    lacking = [name for name in condition.columns if name not in {*names}]
    if not lacking:
        return "", there
    hint = did_you_mean(lacking[0], columns) or f" A text is written in quotes: '{lacking[0]}'."
    return f": {listed(lacking)} in {condition.sql!r}", there + hint


@dataclass(frozen=True, slots=True)
class InputScope:
    """The conditions on one input, sorted by how they can be told.

    Attributes:
        by_ids: Need only columns that name the input's records or groups, of one at a time.
        by_content: Need the upstream's current records.
        everywhere: Those of both that are conditions on all features.
        names: The upstream's name of each column in `plan.id_columns`, and its name there.
    """

    by_ids: tuple[Condition, ...]
    by_content: tuple[Condition, ...]
    everywhere: tuple[Condition, ...]
    names: Mapping[str, str]

    def early(self, plan: InputPlan) -> tuple[Condition, ...]:
        """The conditions that may be applied to stored rows, before the newest are looked for.

        They need columns that are the same in all rows which supersede one another, so that they
        never drop a row and keep the one that it supersedes; and since those name what is joined,
        they never drop a member and keep its group, nor a version that a record in scope needs.
        """
        stable = plan.upstream_records.expansion_on or plan.upstream_id_columns
        return tuple(each for each in self.by_ids if can_tell_by_name(each, stable))


def input_scope(
    plan: InputPlan, filters: RuntimeFilters, schema: Mapping[str, pl.DataType] | None
) -> InputScope:
    """Sort the conditions on an upstream.

    Args:
        schema: Of the upstream's table; None when it has none.

    Raises:
        FilterError: A condition on this feature needs a column that it doesn't have.
    """
    own = filters.by_feature.get(plan.upstream, ())
    known = {*plan.upstream_id_columns, *plan.declared_columns} if schema is None else {*schema}
    is_known = schema is not None or bool(plan.declared_columns)
    for condition in own if is_known else ():
        if not can_tell_by_name(condition, known):
            raise needs_other_columns(plan.upstream, condition, known)
    everywhere = tuple(each for each in filters.everywhere if can_tell_by_name(each, known))
    original = {new: old for old, new in plan.rename.items()}
    names = {original.get(new, new): new for new in plan.id_columns}
    naming = {name: pl.Null() if schema is None else schema.get(name, pl.Null()) for name in names}
    conditions = (*own, *everywhere)
    by_ids = [
        can_tell_by_name(each, names) and tells_records_apart(each, naming) for each in conditions
    ]
    return InputScope(
        by_ids=tuple(itertools.compress(conditions, by_ids)),
        by_content=tuple(each for each, told in zip(conditions, by_ids, strict=True) if not told),
        everywhere=everywhere,
        names=names,
    )


def ids_in_scope(records: pl.LazyFrame, scope: InputScope) -> pl.LazyFrame:
    """One row a record (or group) of an input with a current record in scope: its id columns."""
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
    return fulfilling(told, conditions).select(list(original)).rename(original)
