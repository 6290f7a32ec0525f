"""What an increment is, worked out with loops over dicts: slow, and meant to be obviously right.

It shares plans (names only) and parsed SQL with the library, and nothing of how frames are read,
joined, hashed or compared.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metaxy.graph.plan import FeaturePlan, InputPlan
from metaxy.models.filters import SqlFilter
from metaxy.models.keys import FeatureKey, FieldKey
from reference.records import Ids, Row, Table, current, ids_of, stored_provenance
from reference.row_bytes import Value, header, row_text
from reference.sql import truth

Parent = tuple[FeatureKey, FieldKey]
Lake = Mapping[FeatureKey, Table]
"""The rows of every table; a feature without a table is not in it."""


@dataclass(frozen=True)
class Increment:
    """Rows as the library's increment has them, in any order."""

    added: list[Row]
    changed: list[Row]
    removed: list[Row]


@dataclass(frozen=True)
class Question:
    """What an increment is asked about."""

    by_feature: Mapping[FeatureKey, SqlFilter] = field(default_factory=dict[FeatureKey, SqlFilter])
    everywhere: SqlFilter | None = None
    samples: Sequence[Row] | None = None
    skip_comparison: bool = False


@dataclass(frozen=True)
class Reference:
    """The increments of one feature."""

    plan: FeaturePlan
    algorithm: str = "xxhash64"
    truncation: int | None = None

    def increment(self, lake: Lake, question: Question | None = None) -> Increment:
        """What must be computed, computed again, or dropped."""
        question = question or Question()
        grain = self.plan.grain
        expected = (
            self.expected(lake)
            if question.samples is None
            else [self._versioned(row) for row in question.samples]
        )
        table = lake.get(self.plan.key)
        asked = [row for row in expected if self._is_asked(row, lake, question, is_stored=False)]
        if table is None or question.skip_comparison:
            return Increment(asked, [], [])
        stored = stored_provenance(table.rows, self.plan.records)
        wanted = {ids_of(row, grain) for row in expected}
        gone = [
            row
            for row in current(table.rows, self.plan.records)
            if ids_of(row, grain) not in wanted
            and self._is_asked(row, lake, question, is_stored=True)
        ]
        met = [(row, stored.get(ids_of(row, grain))) for row in asked]
        return Increment(
            added=[row for row, provenance in met if provenance is None],
            changed=[
                row
                for row, provenance in met
                if provenance is not None and provenance != row["metaxy_provenance"]
            ],
            removed=gone,
        )

    def expected(self, lake: Lake) -> list[Row]:
        """One row a record that should be there."""
        names = self._carried_names(lake)
        inputs = [self._input(each, lake, names[each.upstream]) for each in self.plan.inputs]
        columns = [new for each in names.values() for new in each.values()]
        return [self._record(row, columns) for row in _joined(self.plan, inputs)]

    def carried(self, lake: Lake) -> list[str]:
        """The columns that come along from upstream."""
        return [new for each in self._carried_names(lake).values() for new in each.values()]

    def _carried_names(self, lake: Lake) -> dict[FeatureKey, dict[str, str]]:
        """For each input, the columns that come along, with what they are called in the end."""
        taken = {*self.plan.id_columns, *(n for each in self.plan.inputs for n in each.id_columns)}
        names: dict[FeatureKey, dict[str, str]] = {}
        for plan in self.plan.inputs:
            table = lake.get(plan.upstream, Table(()))
            wanted = [
                name
                for name in table.columns
                if not name.startswith("metaxy_")
                and name not in plan.upstream_id_columns
                and plan.lineage.kind != "aggregation"
                and (plan.columns is None or name in plan.columns)
            ]
            renamed = {name: plan.rename.get(name, name) for name in wanted}
            names[plan.upstream] = {
                old: f"{new}__{plan.upstream.table_name}" if new in taken else new
                for old, new in renamed.items()
            }
            taken |= set(names[plan.upstream].values())
        return names

    def _input(self, plan: InputPlan, lake: Lake, names: Mapping[str, str]) -> "list[_InputRow]":
        records = [
            row
            for row in current(_rows(lake, plan.upstream), plan.upstream_records)
            if all(truth(each.tree, row) is True for each in plan.filters)
        ]
        if plan.lineage.kind == "aggregation":
            return self._groups(plan, records)
        return [
            _InputRow(
                {plan.rename.get(name, name): row[name] for name in plan.upstream_id_columns},
                {new: row[old] for old, new in names.items()},
                {(plan.upstream, each): _version(row, each) for each in plan.upstream_fields},
            )
            for row in records
        ]

    def _groups(self, plan: InputPlan, records: Sequence[Row]) -> "list[_InputRow]":
        original = {new: old for old, new in plan.rename.items()}
        on = [original.get(name, name) for name in plan.lineage.on]
        groups: dict[Ids, list[Row]] = defaultdict(list)
        for row in records:
            if None not in ids_of(row, on):
                groups[ids_of(row, on)].append(row)
        return [
            _InputRow(
                dict(zip(plan.lineage.on, group, strict=True)),
                {},
                {
                    (plan.upstream, each): self._group_version(plan, members, each)
                    for each in plan.upstream_fields
                },
            )
            for group, members in groups.items()
        ]

    def _group_version(self, plan: InputPlan, members: Sequence[Row], field_key: FieldKey) -> str:
        ids = sorted(plan.upstream_id_columns)
        digests = [
            row_text([*ids_of(row, ids), _version(row, field_key)], algorithm=self.algorithm)
            for row in sorted(members, key=lambda row: ids_of(row, ids))
        ]
        return self._hash(["".join(digests)])

    def _record(self, joined: "_InputRow", columns: Sequence[str]) -> Row:
        by_field: dict[str, str] = {}
        optional = {each.upstream for each in self.plan.inputs if each.optional}
        for each in self.plan.fields:
            names: list[str] = []
            values: list[Value] = []
            upstreams = sorted({upstream for upstream, _ in each.parents})
            for upstream in upstreams:
                parents = [parent for parent in each.parents if parent[0] == upstream]
                is_there = parents[0] in joined.versions
                mark = "?" if upstream in optional else "" if is_there else "!"
                names += [f"{upstream}.{parent}{mark}" for _, parent in parents]
                if upstream in optional:
                    values.append(True if is_there else None)
                versions = [joined.versions.get(parent) for parent in parents]
                if len(upstreams) > 1 and len(versions) > 1:
                    values.append(self._digest(versions) if is_there else None)
                else:
                    values += versions
            header = _header([str(each.key), each.code_version, names])
            by_field[each.key.column_name] = self._hash([header, *values])
        carried = {name: joined.carried.get(name) for name in columns}
        return self._versioned({**joined.ids, **carried, "metaxy_provenance_by_field": by_field})

    def _versioned(self, row: Row) -> Row:
        return row | {"metaxy_provenance": self.version(row["metaxy_provenance_by_field"])}

    def version(self, by_field: Mapping[str, str | None]) -> str:
        """The version of a record from those of its fields."""
        fields = sorted(each.key for each in self.plan.fields)
        values = [by_field[each.column_name] for each in fields]
        return self._hash([_header([str(each) for each in fields]), *values])

    def _digest(self, values: Sequence[Value]) -> bytes:
        return bytes.fromhex(row_text(values, algorithm=self.algorithm))

    def _hash(self, values: Sequence[Value]) -> str:
        return row_text(values, algorithm=self.algorithm, truncation=self.truncation)

    def _is_asked(self, row: Row, lake: Lake, question: Question, *, is_stored: bool) -> bool:
        """Whether a record, expected or stored, fulfils all that the question says."""
        told: set[FeatureKey] = set()
        for plan in self.plan.inputs:
            for condition in self._conditions_on(plan, lake, question):
                if not _input_fulfils(plan, row, lake, condition):
                    return False
                if condition is question.everywhere:
                    told.add(plan.upstream)
        own = question.by_feature.get(self.plan.key)
        if own and not self._fulfils(row, lake, own, question, is_stored=is_stored):
            return False
        if question.everywhere is None:
            return True
        columns = set(question.everywhere.columns)
        in_expected = columns <= self._expected_columns(lake, question)
        in_stored = columns <= self._stored_columns(lake)
        if not (in_expected or in_stored) or (
            told and not (in_stored if is_stored else in_expected)
        ):
            return True
        return self._fulfils(row, lake, question.everywhere, question, is_stored=is_stored)

    def _conditions_on(self, plan: InputPlan, lake: Lake, question: Question) -> list[SqlFilter]:
        found = [question.by_feature[plan.upstream]] if plan.upstream in question.by_feature else []
        known = {*plan.upstream_id_columns, *plan.declared_columns}
        if plan.upstream in lake:
            known = set(lake[plan.upstream].columns)
        if question.everywhere and known.issuperset(question.everywhere.columns):
            found.append(question.everywhere)
        return found

    def _fulfils(
        self, row: Row, lake: Lake, condition: SqlFilter, question: Question, *, is_stored: bool
    ) -> bool:
        columns = set(condition.columns)
        if is_stored:
            return columns <= self._stored_columns(lake) and truth(condition.tree, row) is True
        if columns <= self._expected_columns(lake, question):
            return truth(condition.tree, row) is True
        grain = self.plan.grain
        return any(
            truth(condition.tree, each) is True
            for each in current(_rows(lake, self.plan.key), self.plan.records)
            if ids_of(each, grain) == ids_of(row, grain)
        )

    def _expected_columns(self, lake: Lake, question: Question) -> set[str]:
        if question.samples is None:
            return {*self.plan.grain, *self.carried(lake)}
        return {n for row in question.samples for n in row if not n.startswith("metaxy_")}

    def _stored_columns(self, lake: Lake) -> set[str]:
        if self.plan.key in lake:
            return set(lake[self.plan.key].columns)
        return {*self.plan.grain, *self.plan.id_columns, *(c.name for c in self.plan.columns)}


@dataclass
class _InputRow:
    """A record or group of an input, or several of them joined."""

    ids: Row
    carried: Row
    versions: dict[Parent, str | None]


def _input_fulfils(plan: InputPlan, row: Row, lake: Lake, condition: SqlFilter) -> bool:
    original = {new: old for old, new in plan.rename.items()}
    named = {original.get(name, name): row[name] for name in plan.id_columns}
    if set(condition.columns) <= set(named):
        return truth(condition.tree, named) is True
    return any(
        truth(condition.tree, each) is True and all(each[n] == named[n] for n in named)
        for each in current(_rows(lake, plan.upstream), plan.upstream_records)
    )


def _joined(plan: FeaturePlan, inputs: Sequence[list[_InputRow]]) -> list[_InputRow]:
    required = [rows for each, rows in zip(plan.inputs, inputs, strict=True) if not each.optional]
    optional = [rows for each, rows in zip(plan.inputs, inputs, strict=True) if each.optional]
    if required:
        joined = [_InputRow({}, {}, {})]
        for rows in required:
            joined = [_both(a, b) for a in joined for b in rows if _agree(a, b)]
    else:
        every = {tuple(sorted(row.ids.items())) for rows in optional for row in rows}
        joined = [_InputRow(dict(ids), {}, {}) for ids in every]
    for rows in optional:
        joined = [_with_optional(row, rows) for row in joined]
    return joined


def _with_optional(row: _InputRow, rows: Sequence[_InputRow]) -> _InputRow:
    met = [each for each in rows if _agree(row, each)]
    assert len(met) <= 1
    return _both(row, met[0]) if met else row


def _agree(a: _InputRow, b: _InputRow) -> bool:
    return all(a.ids[name] == b.ids[name] for name in a.ids.keys() & b.ids.keys())


def _both(a: _InputRow, b: _InputRow) -> _InputRow:
    return _InputRow(a.ids | b.ids, a.carried | b.carried, a.versions | b.versions)


def _version(row: Row, field_key: FieldKey) -> str | None:
    return row["metaxy_data_version_by_field"].get(field_key.column_name)


def _rows(lake: Lake, key: FeatureKey) -> list[Row]:
    return lake[key].rows if key in lake else []


def _header(value: object) -> str:
    return header(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
