"""The versioning engine: plan and stored rows in, increment out."""

from collections.abc import Mapping, Sequence

import polars as pl

from metaxy.errors import MetadataSchemaError
from metaxy.graph.plan import FeaturePlan, InputPlan
from metaxy.models.keys import FeatureKey
from metaxy.versioning.hook import records_chosen
from metaxy.versioning.id_types import common_id_type, common_id_types, with_id_types
from metaxy.versioning.increment import compare_records
from metaxy.versioning.inputs import (
    PreparedInput,
    StoredRows,
    absent_input,
    prepared_input,
    stored_records,
)
from metaxy.versioning.join import JoinedInputs, joined_inputs, with_versions_joined
from metaxy.versioning.latest import expanded_parents
from metaxy.versioning.narrowing import AskedInput, Question, asked_input
from metaxy.versioning.provenance import (
    Part,
    by_field_struct,
    field_parts,
    field_provenance,
    record_version,
    struct_fields,
    with_record_provenance,
)
from metaxy.versioning.row_hash import RowHasher
from metaxy.versioning.scope import NO_FILTERS, RuntimeFilters
from metaxy.versioning.system_columns import PROVENANCE, PROVENANCE_BY_FIELD
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
            samples: The expected records, one row each, with the columns of `plan.grain` and
                `metaxy_provenance_by_field`; the store checks them.
            skip_comparison: Report every expected record as added.

        Raises:
            MissingColumnsError: An upstream's table lacks a column that the definition names.
            MetadataSchemaError: Ids can't be compared, or `load_input` gave no records.
            FilterError: A filter can't be told from the columns that there are.
        """
        current = self._current_records(stored)
        given = self.plan.load_input is not None or samples is not None
        inputs = [
            asked_input(each, upstream[each.upstream], filters, early=not given)
            for each in self.plan.inputs
            if each.upstream in upstream
        ]
        if samples is None:
            expected = self._expected_records(inputs, current)
        else:
            expected = self._sampled_records(samples)
        types = self._id_types(expected, current)
        whole = Question(
            self.plan,
            with_id_types(expected, types),
            None if current is None else with_id_types(current, types),
        )
        asked = whole.narrowed(inputs, filters)
        if whole.stored is None or skip_comparison:
            return _all_added(asked)
        return compare_records(
            asked.expected,
            with_id_types(self._stored_provenance(stored, whole.stored), types),
            id_columns=self.plan.grain,
            removable=asked.stored,
            required=None if asked is whole else whole.expected,
            may_repeat=given,
        )

    def _current_records(self, stored: StoredRows) -> pl.LazyFrame | None:
        return None if stored.frame is None else stored_records(stored, self.plan.records)

    def _stored_provenance(self, stored: StoredRows, current: pl.LazyFrame) -> pl.LazyFrame:
        """One row a stored record, or an expanded parent: the grain and `metaxy_provenance`."""
        if not self.plan.expands or stored.frame is None:
            return current
        return expanded_parents(
            stored.frame, id_columns=self.plan.id_columns, parent_columns=self.plan.grain
        )

    def _sampled_records(self, samples: pl.LazyFrame) -> pl.LazyFrame:
        """Samples with their record provenance; categories among the ids become text."""
        schema = samples.collect_schema()
        plain = {name: common_id_type([schema[name]]) for name in self.plan.grain}
        known = {name: dtype for name, dtype in plain.items() if dtype is not None}
        fields = [field.key for field in self.plan.fields]
        return with_record_provenance(with_id_types(samples, known), fields, hasher=self.hasher)

    def _expected_records(
        self, inputs: Sequence[AskedInput], current: pl.LazyFrame | None
    ) -> pl.LazyFrame:
        prepared = self._prepared_inputs(inputs, current)
        if self.plan.load_input is None:
            joined = joined_inputs(prepared, self.plan)
        else:
            chosen = records_chosen(self.plan, prepared, current)
            joined = with_versions_joined(chosen, prepared, self.plan)
        return self._with_provenance(joined)

    def _with_provenance(self, joined: JoinedInputs) -> pl.LazyFrame:
        """The grain, the carried columns and the two columns of provenance."""
        by_field = {
            field.key: field_provenance(field, joined.versions, hasher=self.hasher)
            for field in self.plan.fields
        }
        hashed = joined.frame.with_columns(by_field_struct(by_field).alias(PROVENANCE_BY_FIELD))
        texts = struct_fields(PROVENANCE_BY_FIELD, list(by_field))
        return hashed.select(
            *self.plan.grain,
            *joined.carried,
            PROVENANCE_BY_FIELD,
            record_version(texts, hasher=self.hasher).alias(PROVENANCE),
        )

    def _prepared_inputs(
        self, inputs: Sequence[AskedInput], current: pl.LazyFrame | None
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
                    parts=self._parts_of(each.plan),
                    hasher=self.hasher,
                )
                schema = prepared[position].frame.collect_schema()
                types |= {name: schema[name] for name in each.plan.id_columns}
        for position, each in enumerate(inputs):
            if each.records is None:
                prepared[position] = absent_input(
                    each.plan, position=position, parts=self._parts_of(each.plan), types=types
                )
        return [prepared[position] for position in range(len(inputs))]

    def _parts_of(self, plan: InputPlan) -> list[Part]:
        """What some field of the feature needs of an input, each once."""
        parts = (part for field in self.plan.fields for part in field_parts(field))
        return list(dict.fromkeys(part for part in parts if part.upstream == plan.upstream))

    def _id_types(
        self, expected: pl.LazyFrame, current: pl.LazyFrame | None
    ) -> dict[str, pl.DataType]:
        """The types in which the ids of expected and stored records can be compared."""
        if current is None:
            return {}
        wanted, got = expected.collect_schema(), current.collect_schema()
        types, unlike = common_id_types(wanted, got, self.plan.grain)
        faults = [
            f"'{name}' is {wanted[name]} in what is expected and {got[name]} in what is stored"
            for name in unlike
        ]
        if faults:
            raise MetadataSchemaError(
                f"Expected and stored records of '{self.plan.key}' can't be compared",
                faults,
                feature=str(self.plan.key),
            )
        return types


def _all_added(asked: Question) -> LazyIncrement:
    """An increment of records that are all new; the empty frames keep their columns."""
    nothing = pl.LazyFrame(schema=asked.expected.collect_schema())
    if asked.stored is None:
        # Without a table nobody knows the types of the ids that an expansion makes.
        ids = dict.fromkeys(asked.plan.id_columns, pl.Null())
        removable = pl.LazyFrame(schema=ids | dict(nothing.collect_schema()))
    else:
        removable = pl.LazyFrame(schema=asked.stored.collect_schema())
    return compare_records(
        asked.expected, nothing, id_columns=asked.plan.grain, removable=removable
    )
