"""The versioning engine: plan and stored rows in, increment out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import polars as pl

from metaxy.errors import MetadataSchemaError
from metaxy.graph.plan import FeaturePlan, InputPlan
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.versioning.increment import compare_records
from metaxy.versioning.inputs import PreparedInput, StoredRows, prepared_input, stored_records
from metaxy.versioning.join import JoinedInputs, joined_inputs, with_versions_joined
from metaxy.versioning.latest import expanded_parents
from metaxy.versioning.provenance import (
    by_field_struct,
    field_provenance,
    record_version,
    with_record_provenance,
)
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.scope import (
    NO_FILTERS,
    InputScope,
    RuntimeFilters,
    can_tell,
    conditions_of,
    fulfilling,
    fulfilling_renamed,
    ids_in_scope,
    input_scope,
)
from metaxy.versioning.system_columns import (
    PREFIX,
    PROVENANCE,
    PROVENANCE_BY_FIELD,
)
from metaxy.versioning.types import LazyIncrement


class PolarsVersioningEngine:
    """Works out increments of one feature with Polars; reads nothing by itself.

    Args:
        plan: The feature's plan; its versions are at full length.
        hasher: How versions are hashed in the lake that the rows come from.
    """

    def __init__(self, plan: FeaturePlan, *, hasher: RowHasher) -> None:
        self.plan = plan
        self.hasher = hasher

    def resolve(
        self,
        *,
        upstream: Mapping[FeatureKey, StoredRows],
        stored: StoredRows,
        samples: pl.LazyFrame | None = None,
        filters: RuntimeFilters = NO_FILTERS,
        skip_comparison: bool = False,
    ) -> LazyIncrement:
        """Tell what must be computed, computed again, or dropped.

        Args:
            upstream: What is stored of each input, at the upstream's current feature version. With
                samples, only inputs that are filtered are needed.
            stored: What is stored of the feature, at its current feature version.
            samples: The expected records, one row each, with `metaxy_provenance_by_field`.
            skip_comparison: Report every expected record as added.
        """
        current = None if stored.frame is None else self._current_records(stored)
        inputs = [
            _asked_input(each, upstream[each.upstream], filters, pushed=samples is None)
            for each in self.plan.inputs
            if each.upstream in upstream
        ]
        if samples is not None:
            expected = with_record_provenance(samples, self._fields, hasher=self.hasher)
        else:
            expected = self._expected_records(inputs, current)
        asked, removable = self._in_scope(expected, current, inputs=inputs, filters=filters)
        if current is None or skip_comparison:
            return _all_added(asked, current, grain=self.plan.grain)
        return compare_records(
            asked,
            _with_types_of(self._stored_provenance(stored, current), expected, plan=self.plan),
            id_columns=self.plan.grain,
            removable=removable,
            required=None if asked is expected and removable is current else expected,
        )

    def expected_records(
        self, *, upstream: Mapping[FeatureKey, StoredRows], stored: StoredRows
    ) -> pl.LazyFrame:
        """One row an expected record: what `added` would be if nothing were stored."""
        current = None if stored.frame is None else self._current_records(stored)
        inputs = [
            _asked_input(each, upstream[each.upstream], NO_FILTERS, pushed=True)
            for each in self.plan.inputs
        ]
        return self._expected_records(inputs, current)

    @property
    def _fields(self) -> list[FieldKey]:
        return [field.key for field in self.plan.fields]

    def _current_records(self, stored: StoredRows) -> pl.LazyFrame:
        assert stored.frame is not None  # noqa: S101 -- narrows the type; callers have looked
        return stored_records(stored, self.plan.records)

    def _stored_provenance(self, stored: StoredRows, current: pl.LazyFrame) -> pl.LazyFrame:
        """One row a stored record, or an expanded parent: the grain and `metaxy_provenance`."""
        parents = self.plan.records.expansion_on
        if parents is None or stored.frame is None:
            return current
        return expanded_parents(
            stored.frame, id_columns=self.plan.id_columns, parent_columns=self.plan.grain
        )

    def _expected_records(
        self, inputs: Sequence["_AskedInput"], current: pl.LazyFrame | None
    ) -> pl.LazyFrame:
        prepared = self._prepared_inputs(inputs, current)
        if self.plan.load_input is None:
            joined = joined_inputs(prepared, self.plan)
        else:
            chosen = _loaded_by_hook(self.plan, prepared, current)
            joined = with_versions_joined(chosen, prepared, self.plan)
        return self._with_provenance(joined)

    def _with_provenance(self, joined: JoinedInputs) -> pl.LazyFrame:
        """The grain, the carried columns and the two columns of provenance."""
        by_field = {
            field.key: field_provenance(field, joined.versions, hasher=self.hasher)
            for field in self.plan.fields
        }
        hashed = joined.frame.with_columns(by_field_struct(by_field).alias(PROVENANCE_BY_FIELD))
        texts = {
            field: pl.col(PROVENANCE_BY_FIELD).struct.field(field.column_name) for field in by_field
        }
        return hashed.select(
            *self.plan.grain,
            *joined.carried,
            PROVENANCE_BY_FIELD,
            record_version(texts, hasher=self.hasher).alias(PROVENANCE),
        )

    def _prepared_inputs(
        self, inputs: Sequence["_AskedInput"], current: pl.LazyFrame | None
    ) -> list[PreparedInput]:
        """Every input in join order; one without a table has no rows."""
        prepared: dict[int, PreparedInput] = {}
        types = {} if current is None else dict(current.collect_schema())
        for position, each in enumerate(inputs):
            if each.records is not None:
                prepared[position] = prepared_input(
                    each.records,
                    each.plan,
                    feature=self.plan.key,
                    position=position,
                    fields=self._fields_of(each.plan),
                    hasher=self.hasher,
                )
                types.update(prepared[position].frame.collect_schema())
        for position, each in enumerate(inputs):
            if each.records is None:
                prepared[position] = _absent_input(
                    each.plan, position=position, fields=self._fields_of(each.plan), types=types
                )
        return [prepared[position] for position in range(len(inputs))]

    def _fields_of(self, plan: InputPlan) -> list[FieldKey]:
        """The fields of an input that some field of the feature depends on."""
        parents = {parent for field in self.plan.fields for parent in field.parents}
        return sorted(field for feature, field in parents if feature == plan.upstream)

    def _in_scope(
        self,
        expected: pl.LazyFrame,
        current: pl.LazyFrame | None,
        *,
        inputs: Sequence["_AskedInput"],
        filters: RuntimeFilters,
    ) -> tuple[pl.LazyFrame, pl.LazyFrame | None]:
        """The expected and the stored records that the filters ask about."""
        asked, removable = expected, current
        for each in inputs:
            asked = each.narrowed(asked)
            removable = None if removable is None else each.narrowed(removable)
        expected_schema = dict(expected.collect_schema())
        current_schema = {} if current is None else dict(current.collect_schema())
        for condition in conditions_of(filters, self.plan.key, current_schema | expected_schema):
            if can_tell(condition, expected_schema):
                asked = fulfilling(asked, [condition])
            elif current is not None:
                passing = fulfilling(current, [condition]).select(self.plan.grain)
                asked = asked.join(passing, on=list(self.plan.grain), how="semi")
            if removable is not None and can_tell(condition, current_schema):
                removable = fulfilling(removable, [condition])
            elif removable is not None:
                removable = removable.filter(pl.lit(value=False))
        return asked, removable


@dataclass(frozen=True, slots=True)
class _AskedInput:
    """An input's current records (None without a table) and the conditions on them."""

    plan: InputPlan
    records: pl.LazyFrame | None
    scope: InputScope | None

    def narrowed(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The expected or stored records of the feature whose record of this input is in scope."""
        if self.scope is None or self.records is None:
            return frame
        frame = fulfilling_renamed(frame, self.scope.by_ids, self.scope.names)
        if not self.scope.by_content:
            return frame
        inside = ids_in_scope(self.records, self.scope)
        return frame.join(inside, on=list(self.plan.id_columns), how="semi")


def _asked_input(
    plan: InputPlan, rows: StoredRows, filters: RuntimeFilters, *, pushed: bool
) -> _AskedInput:
    """Read an input's current records, narrowed at once where that can't change an answer."""
    if rows.frame is None:
        return _AskedInput(plan, None, None)
    if filters.is_empty:
        return _AskedInput(plan, stored_records(rows, plan.upstream_records), None)
    schema = dict(rows.frame.collect_schema())
    scope = input_scope(plan, conditions_of(filters, plan.upstream, schema), schema)
    # Ids never change, so a record can be left out before its newest row is looked for. Groups
    # must keep all their members, and an optional input must not look as if it lacked the record.
    if pushed and scope.by_ids and plan.lineage.kind != "aggregation" and not plan.optional:
        rows = rows.replaced(fulfilling(rows.frame, scope.by_ids))
    return _AskedInput(plan, stored_records(rows, plan.upstream_records), scope)


def _absent_input(
    plan: InputPlan,
    *,
    position: int,
    fields: Sequence[FieldKey],
    types: Mapping[str, pl.DataType],
) -> PreparedInput:
    """An input without rows, with id columns of the types that they have elsewhere."""
    versions = {each: f"{PREFIX}input_{position}_{each.column_name}" for each in fields}
    ids = {name: types.get(name, pl.String()) for name in plan.id_columns}
    texts = {column: pl.String() for column in versions.values()}
    return PreparedInput(plan, pl.LazyFrame(schema=ids | texts), (), versions)


def _loaded_by_hook(
    plan: FeaturePlan, inputs: Sequence[PreparedInput], current: pl.LazyFrame | None
) -> pl.LazyFrame:
    """Let the feature class choose its records: whatever frame it returns, lazily."""
    upstream = {
        str(each.plan.upstream): nw.from_native(
            each.frame.select(*each.plan.id_columns, *each.carried)
        )
        for each in inputs
    }
    if current is None:
        current = pl.LazyFrame(schema=dict.fromkeys(plan.id_columns, pl.String))
    assert plan.load_input is not None  # noqa: S101 -- narrows the type
    chosen = plan.load_input(nw.from_native(current), upstream)
    native = nw.to_native(chosen, pass_through=True)
    if isinstance(native, pl.LazyFrame):
        frame = native
    elif isinstance(native, pl.DataFrame):
        frame = native.lazy()
    else:
        raise MetadataSchemaError(
            f"load_input of '{plan.key}' gave a {type(chosen).__name__}. "
            "Return a Polars or Narwhals frame made from the frames that it was given."
        )
    missing = [name for name in plan.grain if name not in frame.collect_schema()]
    if missing:
        raise MetadataSchemaError(
            f"load_input of '{plan.key}' gave a frame without the id columns {missing}. "
            f"Keep {list(plan.grain)} in the frame that it returns."
        )
    return frame


def _all_added(
    asked: pl.LazyFrame, stored: pl.LazyFrame | None, *, grain: Sequence[str]
) -> LazyIncrement:
    """An increment of records that are all new; the empty frames keep their columns."""
    nothing = pl.LazyFrame(schema=asked.collect_schema())
    removable = nothing if stored is None else pl.LazyFrame(schema=stored.collect_schema())
    return compare_records(asked, nothing, id_columns=grain, removable=removable)


def _with_types_of(
    stored: pl.LazyFrame, expected: pl.LazyFrame, *, plan: FeaturePlan
) -> pl.LazyFrame:
    """Give the stored ids the types of the expected ones, where both are integers."""
    wanted, got = expected.collect_schema(), stored.collect_schema()
    faults = [
        f"'{name}' is {wanted[name]} in what is expected and {got[name]} in what is stored"
        for name in plan.grain
        if wanted[name] != got[name]
        and not (wanted[name].is_integer() and got[name].is_integer())
        and not isinstance(wanted[name], pl.Null)
    ]
    if faults:
        raise MetadataSchemaError(
            f"Expected and stored records of '{plan.key}' can't be compared",
            faults,
            feature=str(plan.key),
        )
    return stored.with_columns(
        pl.col(name).cast(wanted[name]) for name in plan.grain if wanted[name] != got[name]
    )
