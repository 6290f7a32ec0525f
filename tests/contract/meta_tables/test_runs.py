"""Runs of nodes that depend on one another, what is on record of them, and features behind."""

import json
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from lakes import Lake
from metaxy import BaseFeature, FeatureDep, FeatureRegistry, FeatureSpec, MetadataStore
from metaxy.errors import DefinitionError, FilterError, MissingColumnsError
from metaxy.meta_tables import PersistManager, hash_namespace
from metaxy.meta_tables.storage import StorageClass
from metric_tables import (
    DailyMetricsConfig,
    DailyMetricsNode,
    Row,
    current,
    event_kinds,
    metrics,
    node,
    storage,
    table_version,
    text_column,
    upgrade,
)


class ANode(DailyMetricsNode):
    """The first."""


class BNode(DailyMetricsNode):
    """Between."""


class CNode(DailyMetricsNode):
    """Between."""


class DNode(DailyMetricsNode):
    """The last."""


def _made(kind: type[DailyMetricsNode], table: StorageClass, **options: Any) -> DailyMetricsNode:
    return kind(DailyMetricsConfig(), table, **options)


def test_in_a_diamond_each_node_runs_once_and_in_order(store: MetadataStore) -> None:
    """The node below both sides is made twice, and is one."""
    tables = {name: storage(f"example_project__{name}", name=name.upper()) for name in "abcd"}
    upgrade(store, *tables.values())
    ran: list[str] = []

    def rows(own: DailyMetricsNode) -> pl.DataFrame:
        ran.append(type(own).__name__)
        return metrics(("1-1", "a", 1.0))

    def a() -> dict[str, Any]:
        return {"a": _made(ANode, tables["a"], rows=rows)}

    b = _made(BNode, tables["b"], rows=rows, needs=a)
    c = _made(CNode, tables["c"], rows=rows, needs=a)
    d = _made(DNode, tables["d"], rows=rows, needs={"c": c, "b": b})
    assert d.run().rows == 1

    assert ran == ["ANode", "CNode", "BNode", "DNode"]
    ran.clear()
    d.run(with_dependencies=False)
    assert ran == ["DNode"]


def test_a_node_that_fails_stops_those_behind_it(store: MetadataStore) -> None:
    """What was to be written after it isn't."""
    first, second = (storage(f"example_project__{name}", name=name) for name in "xy")
    upgrade(store, first, second)

    def fails(own: object) -> pl.DataFrame:
        del own
        raise RuntimeError("no source at https://user:secret@source")

    a = _made(ANode, first, rows=fails)
    b = _made(BNode, second, rows=metrics(("1-1", "a", 1.0)), needs={"a": a})
    version = table_version(store, second)
    with pytest.raises(RuntimeError, match=r"no source"):
        b.run(run_id="r1")

    assert table_version(store, second) == version
    events = store.read_events().filter(pl.col("kind").str.starts_with("update_"))
    assert events["kind"].to_list() == ["update_started", "update_failed"]
    failed = json.loads(events["details"][1])
    assert failed == {
        "node": "ANode",
        "update_hash": a.update_hash,
        "run_id": "r1",
        "error": "RuntimeError: no source at https://***@source",
    }


def test_a_circle_is_drawn(store: MetadataStore) -> None:
    """Nothing runs."""
    tables = [storage(f"example_project__{name}", name=name) for name in "xyz"]
    upgrade(store, *tables)
    nodes: list[DailyMetricsNode] = []
    for number, kind in enumerate((ANode, BNode, CNode)):
        nodes.append(
            _made(
                kind,
                tables[number],
                rows=metrics(("1-1", "a", 1.0)),
                needs=lambda number=number: {"next": nodes[(number + 1) % 3]},
            )
        )

    with pytest.raises(DefinitionError, match=r"ANode → BNode → CNode → ANode"):
        nodes[0].run()
    assert [current(table) for table in tables] == [[], [], []]
    assert "update_started" not in event_kinds(store)


def test_what_a_node_depends_on_is_a_node_or_a_storage_class(store: MetadataStore) -> None:
    """Anything else is told by the name that it is given."""
    table = storage()
    upgrade(store, table)
    with pytest.raises(DefinitionError, match=r"by the name 'x' on str"):
        node(table, needs={"x": str}).run()
    for other in (None, 3):
        with pytest.raises(DefinitionError, match=r"by the name 'x' on a (NoneType|int), which is"):
            node(table, needs={"x": other}).run()
    with pytest.raises(DefinitionError, match=r"gave a list"):
        node(table, needs=lambda: [table]).run()


def test_nodes_of_a_run_may_write_to_different_lakes(lake: Lake) -> None:
    """Each writes to its own, and what one gives lazily is read by the next."""
    first, second = (storage(f"example_project__{name}", name=name) for name in "xy")
    own, other = lake.store(graph=None), lake.another().store(graph=None)
    upgrade(own, second)
    upgrade(other, first)
    at_hand: list[MetadataStore] = []

    def source(_: object) -> Any:
        at_hand.append(PersistManager(first).store)
        return metrics(("1-1", "a", 1.0))

    def copied(_: object) -> Any:
        at_hand.append(PersistManager(second).store)
        return a.read()

    a = _made(ANode, first, rows=source, store=other)
    b = _made(BNode, second, rows=copied, needs={"a": a}, store=own)
    assert b.run().rows == 1
    assert b.run(with_dependencies=False).rows == 0

    assert at_hand == [other, own, own]
    with own.open("read"), other.open("read"):
        assert [table_version(own, each) for each in (first, second)] == [None, 1]
        assert [table_version(other, each) for each in (first, second)] == [1, None]
        assert event_kinds(own) == ["table_upgraded", *["update_started", "update_finished"] * 2]
        assert event_kinds(other) == ["table_upgraded", "update_started", "update_finished"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_run_that_is_broken_off_is_on_record_and_may_be_repeated(
    store: MetadataStore, kind: type[BaseException]
) -> None:
    """Under its own name: nothing was written by it."""
    table = storage()
    upgrade(store, table)

    def broken_off(own: object) -> pl.DataFrame:
        del own
        raise kind

    with pytest.raises(kind):
        node(table, broken_off).run(run_id="r1")
    again = node(table, metrics(("1-1", "a", 1.0))).run(run_id="r1")

    assert (again.rows, again.already_committed) == (1, False)
    kinds = ["update_started", "update_failed", "update_started", "update_finished"]
    assert event_kinds(store) == ["table_upgraded", *kinds]


def test_an_upgrade_during_a_write_leaves_older_programs_their_rows(
    store: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new column of a row that was on its way is null."""
    table = storage()
    upgrade(store, table)
    resolve = MetadataStore.resolve_update

    def upgraded_meanwhile(self: MetadataStore, *given: Any, **options: Any) -> Any:
        with FeatureRegistry().use():
            upgrade(store, storage(columns={"note": text_column(nullable=True)}))
        return resolve(self, *given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(MetadataStore, "resolve_update", upgraded_meanwhile)
        assert node(table, metrics(("1-1", "a", 1.0))).run().rows == 1
    grown = storage(columns={"note": text_column(nullable=True)})

    assert current(grown) == [("1-1", "a", 1.0, None)]


def test_a_hash_namespace_reaches_dependencies_and_no_table(store: MetadataStore) -> None:
    """It changes the hash, and neither where nor what is written; "" is none."""
    first, second = (storage(f"example_project__{name}", name=name) for name in "xy")
    upgrade(store, first, second)
    seen: list[str] = []

    def below() -> dict[str, Any]:
        found = _made(ANode, first, rows=metrics(("1-1", "a", 1.0)))
        seen.append(found.update_hash)
        return {"a": found}

    def top(**options: Any) -> DailyMetricsNode:
        return _made(BNode, second, rows=metrics(("1-1", "b", 1.0)), needs=below, **options)

    plain = top()
    with hash_namespace("trial"):
        within = top()
        without = top(hash_namespace="")
    given = top(hash_namespace="trial")
    for each in (plain, given):
        each.run()

    assert within.update_hash == given.update_hash
    assert plain.update_hash == without.update_hash == top(hash_namespace="").update_hash
    assert plain.update_hash != given.update_hash
    assert len(set(seen)) == 2
    assert (current(first), current(second)) == ([("1-1", "a", 1.0)], [("1-1", "b", 1.0)])


class _Whole(DailyMetricsNode):
    """Makes what it depends on when it is made, before and after its base is set up."""

    def __init__(self, own: StorageClass, below: Sequence[StorageClass], **options: Any) -> None:
        first = node(below[0])
        super().__init__(DailyMetricsConfig(), own, **options)
        self.needs = {"first": first, "second": node(below[1])}


class _Trial(_Whole):
    """Always of one namespace."""

    def __init__(self, own: StorageClass, below: Sequence[StorageClass]) -> None:
        super().__init__(own, below, hash_namespace="trial")


def test_a_hash_namespace_reaches_nodes_that_a_node_makes_when_it_is_made(
    store: MetadataStore,
) -> None:
    """As an argument it goes as far as a block would; the next node knows nothing of it."""
    own, *below = (storage(f"example_project__{name}", name=name) for name in "xyz")
    upgrade(store, own, *below)

    def hashes(made: DailyMetricsNode) -> list[str]:
        return [each.update_hash for each in (made, *made.needed().values())]  # pyright: ignore[reportAttributeAccessIssue] -- all are nodes

    plain = hashes(_Whole(own, below))
    given = hashes(_Whole(own, below, hash_namespace="trial"))
    with hash_namespace("trial"):
        within = hashes(_Whole(own, below))
        without = hashes(_Whole(own, below, hash_namespace=""))
    trial = _Trial(own, below).needed()["second"]

    assert given == within
    assert without == plain == hashes(_Whole(own, below))
    assert not {*given} & {*plain}
    assert trial.update_hash == given[2]


def test_a_run_is_on_record_in_the_history_and_in_the_events(store: MetadataStore) -> None:
    """Node, update hash and run id; how it began and how it ended."""
    table = storage()
    upgrade(store, table)
    one = node(table, metrics(("1-1", "a", 1.0)))
    one.run(run_id="nightly")

    newest = store.history(table).row(0, named=True)
    assert (newest["operation"], newest["rows"]) == ("write", 1)
    assert newest["materialization_id"] == "nightly"
    assert newest["idempotency_key"] == f"{one.update_hash} nightly"
    assert one.update_hash.startswith("DailyMetricsNode_")
    events = store.read_events()
    assert events["kind"].to_list() == ["table_upgraded", "update_started", "update_finished"]
    assert set(events["feature_key"]) == {"example_project/daily_metrics"}
    assert json.loads(events["details"][2]) == {
        "node": "DailyMetricsNode",
        "update_hash": one.update_hash,
        "run_id": "nightly",
        "rows": 1,
        "already_committed": False,
    }


def test_a_corrected_row_changes_exactly_that_record_downstream(store: MetadataStore) -> None:
    """A storage class is a root feature, on which others depend."""
    table = storage()

    class Scaled(
        BaseFeature,
        spec=FeatureSpec(
            "example_project/scaled",
            id_columns=["time_index", "entity_identifier"],
            deps=[FeatureDep(table)],
        ),
    ):
        scaled: float

    upgrade(store, table)
    node(table, metrics(("1-1", "a", 1.0), ("1-1", "b", 2.0), ("1-2", "a", 3.0))).run()
    added = store.resolve_update(Scaled).added
    store.write_metadata(Scaled, added.with_columns(scaled=nw.col("value") * 10))
    assert store.resolve_update(Scaled).is_empty
    node(table, metrics(("1-1", "b", 2.5))).run()

    increment = store.resolve_update(Scaled)
    assert [len(each) for each in (increment.added, increment.changed, increment.removed)] == [
        0,
        1,
        0,
    ]
    assert increment.changed.select("entity_identifier", "value").rows() == [("b", 2.5)]


@pytest.mark.parametrize("rows", [(), (("1-1", "a", 1.0),)], ids=["without rows", "with rows"])
def test_a_read_asks_the_same_of_a_table_without_rows(
    store: MetadataStore, rows: tuple[Row, ...]
) -> None:
    """Columns of metaxy's own may be chosen, a single one and twice; slips are told."""
    table = storage()
    upgrade(store, table)
    node(table, metrics(*rows)).run()
    manager = PersistManager(table)

    def names(*columns: str) -> list[str]:
        return manager.read(columns=columns).collect_schema().names()

    with store.open("read"):
        assert names("value", "metaxy_created_at", "value") == ["value", "metaxy_created_at"]
        assert manager.read(columns="value").collect_schema().names() == ["value"]
        assert manager.read(filters=["value > 0"]).collect().shape == (len(rows), 3)
        with pytest.raises(MissingColumnsError, match=r"'value' for 'valeu'"):
            names("valeu")
        with pytest.raises(FilterError, match=r"valeu"):
            manager.read(filters=["valeu > 0"])


def test_a_nodes_read_gives_the_columns_of_the_contract(store: MetadataStore) -> None:
    """Current rows, without metaxy's own columns; none before the first run."""
    table = storage()
    upgrade(store, table)
    empty = node(table).read().collect().to_polars()
    node(table, metrics(("1-1", "a", 1.0), ("1-2", "a", 2.0))).run()
    frame = node(table).read(filters=[pl.col("value") > 1], columns=["value"])

    assert empty.schema == metrics().schema
    assert frame.collect().to_polars().to_dicts() == [{"value": 2.0}]
