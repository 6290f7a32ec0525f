"""Expected and stored records, narrowed to those that an increment is asked about.

What puts a record in scope is in `metaxy.versioning.scope`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from metaxy.errors import FilterError, MetadataSchemaError, listed
from metaxy.graph.plan import FeaturePlan, InputPlan
from metaxy.versioning.id_types import common_id_types, rows_with_ids_of
from metaxy.versioning.inputs import StoredRows, stored_records
from metaxy.versioning.scope import (
    Condition,
    InputScope,
    RuntimeFilters,
    can_tell,
    can_tell_by_name,
    fulfilling,
    fulfilling_renamed,
    ids_in_scope,
    input_scope,
    needs_other_columns,
)
from metaxy.versioning.system_columns import BY_FIELD, PREFIX, PROVENANCE, STAMPS


@dataclass(frozen=True, slots=True)
class AskedInput:
    """An input's current records (None without a table) and the conditions on them."""

    plan: InputPlan
    records: pl.LazyFrame | None
    scope: InputScope

    def narrowed(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The expected or stored records of the feature whose record of this input is in scope.

        Raises:
            MetadataSchemaError: Their ids can't be compared with those of the input.
        """
        frame = fulfilling_renamed(frame, self.scope.by_ids, self.scope.names)
        if not self.scope.by_content:
            return frame
        if self.records is None:
            return _none_of(frame)
        inside = ids_in_scope(self.records, self.scope)
        wanted, got = frame.collect_schema(), inside.collect_schema()
        types, unlike = common_id_types(wanted, got, self.plan.id_columns)
        if unlike:
            raise MetadataSchemaError(
                f"A filter on '{self.plan.upstream}' can't be told of the records asked about, "
                "whose ids are of other types",
                [f"'{name}' is {wanted[name]}, and {got[name]} in the upstream" for name in unlike],
            )
        return rows_with_ids_of(frame, inside, types)


def asked_input(
    plan: InputPlan, rows: StoredRows, filters: RuntimeFilters, *, early: bool
) -> AskedInput:
    """Read an input's current records, narrowed at once where that can't change an answer.

    Args:
        early: Whether nothing but the join of the inputs looks at the records.
    """
    if rows.frame is None:
        return AskedInput(plan, None, input_scope(plan, filters, None))
    if filters.is_empty:
        return AskedInput(
            plan, stored_records(rows, plan.upstream_records), InputScope((), (), (), {})
        )
    scope = input_scope(plan, filters, rows.frame.collect_schema())
    if early:
        rows = rows.replaced(fulfilling(rows.frame, scope.early(plan)))
    return AskedInput(plan, stored_records(rows, plan.upstream_records), scope)


@dataclass(frozen=True, slots=True)
class Question:
    """The records of a feature that an increment is asked about.

    Attributes:
        expected: One row a record that should be there.
        stored: One row a record that is there, whole; None when the feature has no table.
    """

    plan: FeaturePlan
    expected: pl.LazyFrame
    stored: pl.LazyFrame | None

    def narrowed(self, inputs: Sequence[AskedInput], filters: RuntimeFilters) -> "Question":
        """The records in scope, both of those expected and of those stored.

        Raises:
            FilterError: A condition needs columns that nobody has.
        """
        if filters.is_empty:
            return self
        question = self
        for each in inputs:
            stored = None if question.stored is None else each.narrowed(question.stored)
            question = Question(self.plan, each.narrowed(question.expected), stored)
        for condition in filters.by_feature.get(self.plan.key, ()):
            question = self._by_own(question, condition, told_by_input=False)
        for condition in filters.everywhere:
            told = any(condition is one for each in inputs for one in each.scope.everywhere)
            if self._has_columns_of(condition):
                question = self._by_own(question, condition, told_by_input=told)
            elif not told:
                raise self._tells_nobody(inputs)
        return question

    def _by_own(
        self, question: "Question", condition: Condition, *, told_by_input: bool
    ) -> "Question":
        """Narrow by a condition on the feature itself, told by the records before any narrowing."""
        expected, stored = question.expected, question.stored
        by_stored = self.stored is not None and can_tell(condition, self.stored.collect_schema())
        if can_tell(condition, _user_schema(self.expected)):
            expected = fulfilling(expected, [condition])
        elif told_by_input:
            pass
        elif by_stored and self.stored is not None:
            passing = fulfilling(self.stored, [condition]).select(self.plan.grain).unique()
            expected = expected.join(passing, on=list(self.plan.grain), how="semi")
        elif self.stored is None and self._has_columns_of(condition):
            expected = _none_of(expected)
        else:
            names = {*self.expected.collect_schema(), *self._stored_names()}
            raise needs_other_columns(self.plan.key, condition, names)
        if stored is not None and by_stored:
            stored = fulfilling(stored, [condition])
        elif stored is not None and not told_by_input:
            stored = _none_of(stored)
        return Question(self.plan, expected, stored)

    def _has_columns_of(self, condition: Condition) -> bool:
        return can_tell(condition, _user_schema(self.expected)) or can_tell_by_name(
            condition, self._stored_names()
        )

    def _stored_names(self) -> list[str]:
        """The columns of the feature's own table, as it is or as it will be at least."""
        if self.stored is not None:
            return self.stored.collect_schema().names()
        declared = [column.name for column in self.plan.columns]
        return [*self.plan.grain, *self.plan.id_columns, *declared, *STAMPS, *BY_FIELD]

    def _tells_nobody(self, inputs: Sequence[AskedInput]) -> FilterError:
        features = [str(self.plan.key), *(str(each.plan.upstream) for each in inputs)]
        own = sorted(name for name in self._stored_names() if not name.startswith(PREFIX))
        return FilterError(
            f"A global filter uses columns that none of the features in question has: "
            f"{listed(features)}. It would filter nothing. '{self.plan.key}' has: {listed(own)}."
        )


def _user_schema(frame: pl.LazyFrame) -> dict[str, pl.DataType]:
    """The columns that come from upstream or from samples, not those that are worked out here."""
    worked_out = {PROVENANCE, *BY_FIELD}
    return {name: dtype for name, dtype in frame.collect_schema().items() if name not in worked_out}


def _none_of(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.filter(pl.lit(value=False))
