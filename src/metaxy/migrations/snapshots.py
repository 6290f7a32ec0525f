"""Snapshots of a project: those that were pushed to a lake, and that of the code."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from metaxy.errors import MigrationError, SystemDataNotFoundError, did_you_mean, listed
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore


@dataclass(frozen=True, slots=True)
class PushedSnapshot:
    """One push of a project.

    Attributes:
        recorded_at: When, in UTC.
        snapshot_version: As stamped in the lake.
    """

    project: str
    snapshot_version: str
    recorded_at: datetime


def pushed_snapshots(store: MetadataStore, project: str | None = None) -> list[PushedSnapshot]:
    """Every push of a project, or of all, the newest first; a snapshot may be in it repeatedly."""
    columns = ["push_id", "recorded_at", "project", "snapshot_version"]
    rows = store.read_pushes().select(columns).unique()
    newest_first = rows.sort("recorded_at", "push_id", descending=True)
    return [
        PushedSnapshot(name, snapshot, recorded_at)
        for _, recorded_at, name, snapshot in newest_first.iter_rows()
        if project in (None, name)
    ]


def migrated_project(store: MetadataStore, project: str | None = None) -> str:
    """The project that is meant: the one given, else the store's, else the only one in the code.

    Raises:
        MigrationError: It has no features in the code, or several projects have and none is named.
    """
    projects = store.graph.projects
    wanted = store.project if project is None else project
    if not projects:
        raise MigrationError(
            "There are no features in the code, so there is nothing to migrate to. "
            "`metaxy list features` tells how they are found."
        )
    if wanted is None and len(projects) == 1:
        return projects[0]
    if wanted is None:
        raise MigrationError(
            f"Which project is to be migrated? The code has features of {listed(projects)}. "
            "Name one of them as the project."
        )
    if wanted not in projects:
        raise MigrationError(
            f"The project {wanted!r} has no features in the code, which has those of "
            f"{listed(projects)}.{did_you_mean(wanted, projects)}"
        )
    return wanted


def code_snapshot(store: MetadataStore, project: str) -> str:
    """The snapshot version of a project in the code, as a push to this lake would stamp it."""
    return store.hash_settings.stamp(store.graph.snapshot_version_of(project))


def newest_snapshot(store: MetadataStore, project: str) -> PushedSnapshot:
    """The newest push of a project: what is deployed.

    Raises:
        SystemDataNotFoundError: The project was never pushed.
    """
    found = pushed_snapshots(store, project)
    if not found:
        raise SystemDataNotFoundError(
            f"The project {project!r} was never pushed to {store.display()}, so there is nothing "
            "to compare the code with. Run `metaxy push` on the code that the records were "
            "computed by; do it in every deployment."
        )
    return found[0]


def whole_version(snapshot_version: str, known: Iterable[str]) -> str:
    """The one known snapshot version that is this, or that begins so.

    Raises:
        SystemDataNotFoundError: None begins so, or several do.
    """
    versions = list(dict.fromkeys(known))
    if snapshot_version in versions:
        return snapshot_version
    found = [each for each in versions if each.startswith(snapshot_version)]
    if len(found) == 1 and snapshot_version:
        return found[0]
    if len(found) > 1:
        begun = ", ".join(each[:16] for each in found)
        raise SystemDataNotFoundError(
            f"{len(found)} snapshots begin with {snapshot_version!r}: {begun}. Give more of it."
        )
    raise SystemDataNotFoundError(
        f"The snapshot {snapshot_version!r} was not pushed to this lake, and is not that of the "
        f"code; there are {_told(versions)}.{did_you_mean(snapshot_version, versions)} "
        "`metaxy graph history` lists those that were pushed."
    )


def graph_at(
    store: MetadataStore, snapshot_version: str, *, project: str | None = None
) -> FeatureGraph:
    """The graph of a snapshot: the code's own where it is that, since only it has hooks.

    Args:
        snapshot_version: As stamped in the lake, or the beginning of it.
        project: Whose; None looks at those of all projects of the code.

    Raises:
        SystemDataNotFoundError: It was not pushed, and is not that of the code.
    """
    graph = store.graph
    own = [each for each in graph.projects if project in (None, each)]
    of_code = {code_snapshot(store, each): each for each in own}
    pushed = [each.snapshot_version for each in pushed_snapshots(store)]
    version = whole_version(snapshot_version, [*of_code, *pushed])
    if version in of_code:
        return graph.for_project(of_code[version])
    return store.load_graph_snapshot(version)


def _told(versions: Sequence[str]) -> str:
    return listed((each[:12] for each in versions), limit=5)
