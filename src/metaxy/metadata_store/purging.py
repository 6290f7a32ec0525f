"""Purges: every version of some records goes, and of all that was made from them, files included.

A purge is traced from a feature down to the last one that depends on it, and carried out from there
up, so that one that was cut off finds its way again when it is repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from metaxy.errors import StoreError, UnreadableTableError
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.plan import FeaturePlan, InputPlan
from metaxy.metadata_store import pushing
from metaxy.metadata_store.failures import told_as
from metaxy.metadata_store.interface import StoreInterface
from metaxy.metadata_store.marks import Found, Marks, renamed_values
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.tagging import tags_of_table
from metaxy.models.keys import FeatureKey


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge removes of one feature.

    Attributes:
        rows: How many rows of the newest version of the table.
        files: The files that go with all rows in them, sorted; what else they had was written anew.
        size_bytes: Of those files.
        tags: Those whose version of the table can't be read afterwards, sorted.
        uncommitted: Files that have such rows and stay, because a writer may be about to commit
            them. A vacuum removes them when they are old.
    """

    rows: int
    files: tuple[str, ...]
    size_bytes: int
    tags: tuple[str, ...]
    uncommitted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """What a purge removes.

    Attributes:
        tables: By feature, upstreams first; features that have nothing of it are left out.
        untraced: Tables that nobody has looked at, because the graph doesn't know the feature.
    """

    tables: Mapping[FeatureKey, Purged]
    untraced: tuple[FeatureKey, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a purge is about, worked out before anything is removed.

    Attributes:
        marks: By feature, upstreams first; of those in which something was found.
    """

    marks: Mapping[FeatureKey, Marks]
    result: PurgeResult


def traced(store: StoreInterface, key: FeatureKey, records: Sequence[pl.DataFrame]) -> Trace:
    """Find everything that some records, and what was made from them, has left in a lake.

    Args:
        records: Frames with one row a record, with its ids.

    Raises:
        StoreError: A file can't be looked into.
    """
    text = f"Purging '{key}' failed, and nothing was removed"
    with told_as(text, store=store.display(), feature=str(key)):
        return _traced(store, key, records)


def _traced(store: StoreInterface, key: FeatureKey, records: Sequence[pl.DataFrame]) -> Trace:
    graph = store.graph
    frames: dict[FeatureKey, list[pl.DataFrame]] = {key: [*records]}
    marks: dict[FeatureKey, Marks] = {}
    tables: dict[FeatureKey, Purged] = {}
    for each in graph.topological_order([key, *graph.downstream(key)]):
        own = Marks(tuple(frames.get(each, ())))
        links = _links(graph, each)
        wanted = {*graph.plan(each).id_columns, *(old for _, names in links for old in names)}
        found = store.find_marked(each, own, sorted(wanted)) if own.frames else None
        if found is not None and (found.rows or found.files or found.uncommitted):
            marks[each] = own
            tables[each] = _purged(store, each, found)
        known = [*own.frames, *([] if found is None else [found.values])]
        for downstream, names in links:
            frames.setdefault(downstream, []).extend(renamed_values(known, names))
    tabled = [each for each in store.tables_in_store() if not each.is_system]
    untraced = tuple(each for each in tabled if each not in graph)
    return Trace(marks, PurgeResult(tables, untraced))


def carry_out(store: OpenableStore, trace: Trace) -> None:
    """Remove what was found, dependents first, and leave on record what went of each feature.

    Raises:
        StoreError: It was cut off.
    """
    for key in reversed(list(trace.marks)):
        text, where = f"Purging '{key}' was cut off, and is to be done again", store.display()
        try:
            with told_as(text, store=where, feature=str(key)):
                store.remove_marked(key, trace.marks[key])
        except UnreadableTableError as error:
            raise StoreError(f"{text}: {error}", store=where, feature=str(key)) from error
        purged = trace.result.tables[key]
        pushing.record_event(
            store,
            "metadata_purged",
            project=store.graph.definition(key).project,
            feature=key,
            rows=purged.rows,
            files=len(purged.files),
        )


def _links(graph: FeatureGraph, key: FeatureKey) -> list[tuple[FeatureKey, dict[str, str]]]:
    """What is made of a feature, and which of its columns name what there, by which name."""
    plans: list[FeaturePlan] = [graph.plan(each) for each in graph.downstream(key)]
    return [
        (plan.key, _link(each)) for plan in plans for each in plan.inputs if each.upstream == key
    ]


def _link(step: InputPlan) -> dict[str, str]:
    upstream_names = {new: old for old, new in step.rename.items()}
    return {upstream_names.get(name, name): name for name in step.id_columns}


def _purged(store: StoreInterface, key: FeatureKey, found: Found) -> Purged:
    tags = [
        tag
        for tag, version in tags_of_table(store, key).items()
        if not found.files.keys().isdisjoint(store.files_of_version(key, version))
    ]
    return Purged(
        found.rows,
        tuple(sorted(found.files)),
        sum(found.files.values()),
        tuple(sorted(tags)),
        found.uncommitted,
    )
