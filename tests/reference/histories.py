"""Made-up lakes: a graph, and tables that have lived through writes, deletions and increments."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FeaturePlan
from metaxy.models.keys import FeatureKey
from metaxy.versioning.inputs import NOTHING_STORED, StoredRows
from metaxy.versioning.system_columns import INSTANT
from reference.graphs import expansions, graphs
from reference.increments import Increment, Reference
from reference.records import Row, Table, current, ids_of

START = datetime(2026, 1, 1, tzinfo=UTC)
SYSTEM = {
    "metaxy_provenance_by_field": None,
    "metaxy_data_version_by_field": None,
    "metaxy_provenance": pl.String(),
    "metaxy_data_version": pl.String(),
    "metaxy_created_at": INSTANT,
    "metaxy_deleted_at": INSTANT,
    "metaxy_materialization_id": pl.String(),
}
IDS = ("a", "b", "c")
TEXTS = ("", "a", "b", "c")


@dataclass(repr=False)
class History:
    """A lake as plain rows, and what it takes to go on with it.

    Attributes:
        ids: What the ids of root records are made of.
        is_plain: Whether writers supply no data versions, other columns never change, and
            provenance goes back and forth from turn to turn.
        types: Of user columns, by name; every other column that isn't the system's is a text.
    """

    graph: FeatureGraph
    algorithm: str = "xxhash64"
    truncation: int | None = None
    tables: dict[FeatureKey, Table] = field(default_factory=dict[FeatureKey, Table])
    types: dict[str, pl.DataType] = field(default_factory=dict[str, pl.DataType])
    ids: tuple[str, ...] = IDS
    is_plain: bool = False
    turn: int = 0
    commits: int = 0

    def __repr__(self) -> str:
        tables = {
            str(key): [
                {name: str(value) for name, value in row.items() if value is not None}
                for row in table.rows
            ]
            for key, table in self.tables.items()
        }
        specs = [str(each.spec) for each in self.graph.definitions.values()]
        return "\n".join([*specs, json.dumps(tables, indent=1)])

    def reference(self, key: FeatureKey) -> Reference:
        """The increments of a feature."""
        return Reference(self.graph.plan(key), self.algorithm, self.truncation)

    def commit(self, key: FeatureKey, rows: Sequence[Row], *, deletes: bool = False) -> None:
        """Append rows of one commit; each has the columns of the table and its provenance."""
        if not rows:
            return
        self.commits += 1
        now = START + timedelta(seconds=self.commits)
        names = [n for row in rows for n in row if not n.startswith("metaxy_")]
        names += [column.name for column in self.graph.plan(key).columns]
        table = self.tables.setdefault(key, Table(()))
        table.columns = tuple(dict.fromkeys([*table.columns, *names, *SYSTEM]))
        stamped = [
            {
                "metaxy_data_version_by_field": row["metaxy_provenance_by_field"],
                "metaxy_data_version": row["metaxy_provenance"],
                "metaxy_materialization_id": None,
                "metaxy_deleted_at": now if deletes else None,
                **row,
                "metaxy_created_at": now,
            }
            for row in rows
        ]
        table.rows.extend(stamped)
        for row in table.rows:
            for name in table.columns:
                row.setdefault(name, None)

    def delete(self, key: FeatureKey, rows: Sequence[Row]) -> None:
        """Append tombstones of current records."""
        kept = [{n: v for n, v in row.items() if n != "metaxy_deleted_at"} for row in rows]
        self.commit(key, kept, deletes=True)

    def current(self, key: FeatureKey) -> list[Row]:
        """The current records, in an order that depends on nothing but them."""
        rows = self.tables[key].rows if key in self.tables else []
        plan = self.graph.plan(key).records
        return sorted(current(rows, plan), key=lambda row: repr(ids_of(row, plan.id_columns)))

    def stored(self, key: FeatureKey, *, tells_instants: bool = True) -> StoredRows:
        """The table of a feature as the engine gets it."""
        if key not in self.tables:
            return NOTHING_STORED
        table = self.tables[key]
        frame = pl.DataFrame(table.rows, schema=self.schema(key, table.columns))
        instants = tuple({row["metaxy_created_at"] for row in table.rows})
        return StoredRows(frame.lazy(), instants if tells_instants else None)

    def schema(self, key: FeatureKey, columns: Sequence[str]) -> dict[str, pl.DataType]:
        """The types of the columns of a feature."""
        fields = [field.key.column_name for field in self.graph.plan(key).fields]
        struct = pl.Struct({name: pl.String() for name in fields})
        known = self.types | {name: dtype or struct for name, dtype in SYSTEM.items()}
        return {name: known.get(name, pl.String()) for name in columns}


def histories() -> st.SearchStrategy[History]:
    """Lakes in which any feature may be behind its upstreams, or have been tampered with.

    Some have few records that live through more: they go back and forth, are expanded anew.
    """
    return (
        _histories(graphs(), turns=3, is_plain=False)
        | _histories(graphs(), turns=5, is_plain=True)
        | _histories(st.just(expansions()), turns=5, is_plain=True)
    )


@st.composite
def _histories(
    draw: st.DrawFn, over: st.SearchStrategy[FeatureGraph], *, turns: int, is_plain: bool
) -> History:
    history = History(draw(over), ids=("a",) if is_plain else IDS, is_plain=is_plain)
    _know_types(history)
    for _ in range(draw(st.integers(1, turns))):
        history.turn += 1
        for key in history.graph.topological_order():
            draw(_events(history, history.graph.plan(key)))
    history.turn += 1
    for key in history.graph.roots:
        draw(_events(history, history.graph.plan(key)))
    return history


@st.composite
def _events(draw: st.DrawFn, history: History, plan: FeaturePlan) -> None:
    """What happens to a feature in one round: mostly what should, sometimes less, or more."""
    usual = ["all"] * (12 if history.is_plain else 3)
    event = draw(st.sampled_from([*usual, "some", "nothing", "deletion"]))
    if event == "deletion":
        history.delete(plan.key, draw(_some(history.current(plan.key))))
    elif plan.is_root and event != "nothing":
        history.commit(plan.key, draw(_root_rows(history, plan)))
    elif event != "nothing":
        increment = history.reference(plan.key).increment(history.tables)
        if event == "some":
            added, changed = draw(_most(increment.added)), draw(_most(increment.changed))
            increment = Increment(added, changed, increment.removed)
        draw(applied(history, plan.key, increment))


@st.composite
def applied(draw: st.DrawFn, history: History, key: FeatureKey, increment: Increment) -> History:
    """The history after added and changed were written and removed deleted, as a user would."""
    plan = history.graph.plan(key)
    due = [*increment.added, *increment.changed]
    if plan.expands:
        rows = [child for parent in due for child in draw(_children(history, plan, parent))]
    else:
        rows = [row | draw(_own_columns(history, plan)) for row in due]
    supplied = not history.is_plain and draw(st.sampled_from([False, False, True]))
    history.commit(
        plan.key,
        [row | draw(_supplied_versions(history, plan, row)) if supplied else row for row in rows],
    )
    history.delete(plan.key, increment.removed)
    return history


def _know_types(history: History) -> None:
    """Learn the type of every declared column, under each name that it gets on its way down."""
    texts = {"int64": pl.Int64(), "string": pl.String()}
    for definition in history.graph.definitions.values():
        history.types |= {each.name: texts[each.dtype] for each in definition.columns}
    for key in history.graph.topological_order():
        for each in history.graph.plan(key).inputs:
            for old, new in each.rename.items():
                if old in history.types:
                    history.types[new] = history.types[old]
    tables = [key.table_name for key in history.graph]
    history.types |= {
        f"{name}__{table}": dtype for name, dtype in list(history.types.items()) for table in tables
    }


@st.composite
def _root_rows(draw: st.DrawFn, history: History, plan: FeaturePlan) -> list[Row]:
    ids = st.tuples(*[st.sampled_from(history.ids) for _ in plan.id_columns])
    rows: list[Row] = []
    for each in draw(st.lists(ids, unique=True, min_size=1, max_size=6)):
        # Versions that go back and forth are what a drawn one seldom does.
        at = st.just(history.turn % 2) if history.is_plain else st.integers(0, len(TEXTS) - 1)
        by_field = {field.key.column_name: TEXTS[draw(at)] for field in plan.fields}
        row: Row = {
            **dict(zip(plan.id_columns, each, strict=True)),
            **draw(_own_columns(history, plan)),
            "metaxy_provenance_by_field": by_field,
            "metaxy_provenance": history.reference(plan.key).version(by_field),
        }
        rows.append(row if history.is_plain else row | draw(_supplied_versions(history, plan, row)))
    return rows


@st.composite
def _children(draw: st.DrawFn, history: History, plan: FeaturePlan, parent: Row) -> list[Row]:
    """0 to 3 children or, if there are none, the row that says so."""
    own = [name for name in plan.id_columns if name not in plan.grain]
    name = "/".join(parent[each] for each in plan.grain)
    is_childless = draw(st.integers(0, 5)) == 5
    numbers = [] if is_childless else draw(st.permutations(range(4)))[: draw(st.integers(1, 3))]
    children = [
        parent | draw(_own_columns(history, plan)) | dict.fromkeys(own, f"{name}#{number}")
        for number in numbers
    ]
    if children:
        return children
    kept = (*plan.grain, "metaxy_provenance_by_field", "metaxy_provenance")
    childless = {each: parent[each] if each in kept else None for each in parent}
    return [childless | dict.fromkeys(own) | {"metaxy_deleted_at": START}]


@st.composite
def _own_columns(draw: st.DrawFn, history: History, plan: FeaturePlan) -> Row:
    if history.is_plain:
        return {each.name: 1 if each.dtype == "int64" else "a" for each in plan.columns}
    values: Mapping[str, st.SearchStrategy[Any]] = {
        "int64": st.none() | st.integers(0, 3),
        "string": st.none() | st.sampled_from(TEXTS),
    }
    return {each.name: draw(values[each.dtype]) for each in plan.columns}


@st.composite
def _supplied_versions(draw: st.DrawFn, history: History, plan: FeaturePlan, row: Row) -> Row:
    """Data versions of the writer's own; a field that is left out follows the provenance.

    A null stays where an older table may have one, to see that it does no harm either.
    """
    provenance = row["metaxy_provenance_by_field"]
    given = {
        name: draw(st.sampled_from([provenance[name], provenance[name], "", "mine", None]))
        for name in provenance
    }
    return {
        "metaxy_data_version_by_field": given,
        "metaxy_data_version": history.reference(plan.key).version(given),
    }


def _some(rows: Sequence[Row]) -> st.SearchStrategy[list[Row]]:
    return (
        st.lists(st.sampled_from(range(len(rows))), unique=True, max_size=3).map(
            lambda picked: [rows[each] for each in picked]
        )
        if rows
        else st.just([])
    )


def _most(rows: Sequence[Row]) -> st.SearchStrategy[list[Row]]:
    return _some(rows).map(lambda left: [row for row in rows if row not in left])
