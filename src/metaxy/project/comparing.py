"""The graph of the code against what was pushed, or two pushes against each other."""

from dataclasses import dataclass

from metaxy.graph.changes import GraphDiff
from metaxy.graph.diff import diff_graphs
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.system import restored_graph
from metaxy.project.features import chosen_project
from metaxy.project.pushes import Push, found_push, push_history


@dataclass(frozen=True, slots=True)
class CodeComparison:
    """Two states of a project's features, and how they differ.

    Attributes:
        old: The push of the older one; None where nothing was pushed yet.
        new: The push of the newer one; None for the code.
        new_snapshot_version: As stamped in the lake.
    """

    old: Push | None
    new: Push | None
    new_snapshot_version: str
    diff: GraphDiff


def compare_pushed(
    store: MetadataStore,
    *,
    old: str | None = None,
    new: str | None = None,
    project: str | None = None,
) -> CodeComparison:
    """Compare the code, or what was pushed, with what was pushed.

    Args:
        store: Open; its graph is that of the code.
        old: A snapshot version or the beginning of one; None: that of the project's newest push.
        new: The same; None: the code.
        project: Whose features; None: the store's project, or the only one.

    Raises:
        SystemDataNotFoundError: There is no such snapshot.
        ConfigError: It isn't clear which project is meant.
    """
    pushes = push_history(store.read_pushes(), project=project)
    if old is not None and new is not None:
        before, after = found_push(pushes, old), found_push(pushes, new)
        graph = store.load_graph_snapshot(after.snapshot_version)
        return CodeComparison(before, after, after.snapshot_version, _diff(store, before, graph))
    chosen = chosen_project(store.graph, given=project, configured=store.project)
    own = [push for push in pushes if push.project == chosen]
    before = found_push(pushes, old) if old is not None else (own[0] if own else None)
    version = store.hash_settings.stamp(store.graph.snapshot_version_of(chosen))
    graph = store.graph.for_project(chosen)
    return CodeComparison(before, None, version, _diff(store, before, graph))


def _diff(store: MetadataStore, before: Push | None, graph: FeatureGraph) -> GraphDiff:
    if before is None:
        return diff_graphs(FeatureGraph.from_definitions(()), graph)
    old = restored_graph(store.read_pushes(), before.snapshot_version, project=before.project)
    return diff_graphs(old, graph)
