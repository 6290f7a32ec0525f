"""What must be known of a feature to read its inputs, hash its records and compare them.

A plan is a frozen value made from a checked graph; it holds names and versions, never frames. How
plans are worked out is `metaxy.graph.planning`; how they are carried out is `metaxy.versioning`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from metaxy.models.columns import ColumnSpec
from metaxy.models.contract import TableContract
from metaxy.models.filters import SqlFilter
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.models.lineage import Lineage


@dataclass(frozen=True, slots=True)
class RecordsPlan:
    """How to tell the current records of a feature in its own table.

    Attributes:
        feature_version: At full length; whoever compares it with stored rows truncates it.
        id_columns: The columns that name a record, in the order of the spec.
        expansion_on: None when every id column comes from an input. Otherwise the grain of the
            feature's plan, the columns that the table shares with the expanded parents: all
            children of one parent are written and superseded together. They need not be id columns
            of the feature; then they are columns of its table all the same.
    """

    key: FeatureKey
    feature_version: str
    id_columns: tuple[str, ...]
    expansion_on: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field of a feature and the upstream fields that its provenance is made of.

    Attributes:
        parents: (feature, field) pairs, sorted, each once; every feature is one of the inputs.
    """

    key: FieldKey
    code_version: str
    parents: tuple[tuple[FeatureKey, FieldKey], ...] = ()


@dataclass(frozen=True, slots=True)
class InputPlan:
    """One upstream feature as it enters the join.

    The steps apply in this order: filters (upstream names), column selection (upstream names),
    renames, lineage, join. A filter may use a column that isn't selected.

    Attributes:
        upstream_records: How to tell the upstream's current records; has its feature version.
        upstream_id_columns: As the upstream calls them, sorted, so that nothing made of them
            depends on the order of its spec.
        id_columns: The upstream's id columns after renames and lineage, as they enter the join,
            sorted: its ids renamed or, for an aggregation, the columns of `on`.
        columns: Upstream names, besides ids and system columns; None is all, () is none. The `on`
            of an aggregation is needed whether it is named here or not.
        declared_columns: What the upstream's class declares (upstream names, ids included);
            empty when it declares nothing. Its table may have more.
        rename: Upstream name to new name; entries that change nothing are left out.
        filters: Static filters, all of which must hold, over upstream names.
        upstream_fields: All fields of the upstream, sorted.
    """

    upstream: FeatureKey
    upstream_records: RecordsPlan
    upstream_id_columns: tuple[str, ...]
    id_columns: tuple[str, ...]
    columns: tuple[str, ...] | None
    declared_columns: tuple[str, ...]
    rename: Mapping[str, str] = field(hash=False)
    lineage: Lineage
    filters: tuple[SqlFilter, ...]
    optional: bool
    upstream_fields: tuple[FieldKey, ...]


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """A feature with everything that an increment of it depends on.

    Attributes:
        feature_version: At full length.
        fields: Sorted by key.
        inputs: In join order: every required input but the first shares an id column with those
            before it, and each optional one with the inputs that it follows; optional ones are
            last. When all are optional they have the same id columns and are joined full outer.
        grain: The columns that name one expected row: the id columns or, when an expansion makes
            the records, the id columns that the inputs provide (the expansion's `on` and those of
            the other inputs).
        contract: What the feature's table promises.
        load_input: The user's override of the hook, None if there is none; not compared.
    """

    key: FeatureKey
    project: str
    feature_version: str
    records: RecordsPlan
    id_columns: tuple[str, ...]
    fields: tuple[FieldPlan, ...]
    inputs: tuple[InputPlan, ...]
    grain: tuple[str, ...]
    contract: TableContract
    load_input: Callable[..., object] | None = field(default=None, compare=False)

    @property
    def columns(self) -> tuple[ColumnSpec, ...]:
        """What the feature's class declares."""
        return self.contract.columns

    @property
    def is_root(self) -> bool:
        """Whether the feature has no inputs, so that its samples must be given."""
        return not self.inputs

    @property
    def expands(self) -> bool:
        """Whether one expected row stands for any number of records (1:N)."""
        return self.records.expansion_on is not None

    @property
    def joins_full_outer(self) -> bool:
        """Whether every input is optional, so that a record needs only one of them."""
        return bool(self.inputs) and all(each.optional for each in self.inputs)
