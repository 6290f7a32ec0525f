"""Files of the older format: which snapshots they mean by the feature versions that they name."""

from collections.abc import Iterable, Mapping, Sequence

from metaxy.errors import SystemDataNotFoundError
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.ops import BaseOperation, CustomFunction, FeatureVersionMigration
from metaxy.migrations.snapshots import code_snapshot


def snapshots_meant(
    store: MetadataStore, project: str, operations: Sequence[BaseOperation], *, migration: str
) -> tuple[str, str]:
    """The snapshot versions that operations lead from and to: the newest pushed ones.

    The code's own snapshot comes before those that were pushed as the one that they lead to.

    Args:
        migration: The id of the migration that has the operations.

    Raises:
        SystemDataNotFoundError: No snapshot has the versions that the operations name.
    """
    named = [
        each for each in operations if isinstance(each, FeatureVersionMigration | CustomFunction)
    ]
    pushed = _recorded_versions(store, project)
    stamp = store.hash_settings.stamp
    own = code_snapshot(store, project)
    code = [(own, str(key), stamp(each)) for key, each in store.graph.feature_versions.items()]
    old = _snapshots_of_versions(pushed, named, is_new=False)
    new = _snapshots_of_versions([*code, *pushed], named, is_new=True)
    if not (old and new):
        which = "'from'" if not old else "'to'"
        raise SystemDataNotFoundError(
            f"No snapshot of the project {project!r} in {store.display()} has the feature "
            f"versions that {migration!r} gives as {which}. `metaxy graph history` lists what was "
            "pushed."
        )
    return old[0], new[0]


def _recorded_versions(store: MetadataStore, project: str) -> list[tuple[str, str, str]]:
    """Snapshot version, feature and feature version of every push, the newest first."""
    rows = store.read_pushes().filter(project=project)
    newest_first = rows.sort("recorded_at", "push_id", descending=True)
    columns = ["snapshot_version", "feature_key", "feature_version"]
    return [(a, b, c) for a, b, c in newest_first.select(columns).iter_rows()]


def _snapshots_of_versions(
    recorded: Iterable[tuple[str, str, str]],
    operations: Iterable[FeatureVersionMigration | CustomFunction],
    *,
    is_new: bool,
) -> list[str]:
    """The snapshots in which features have the versions that operations name.

    Args:
        recorded: Snapshot version, feature key and feature version of pushes, the newest first.
        is_new: Whether the `to` versions are meant; else the `from` versions.
    """
    wanted = {
        str(each.feature_key): each.to_feature_version if is_new else each.from_feature_version
        for each in operations
    }
    versions: dict[str, Mapping[str, str]] = {}
    for snapshot, feature, version in recorded:
        versions[snapshot] = {**versions.get(snapshot, {}), feature: version}
    return [
        snapshot
        for snapshot, of in versions.items()
        if all(of.get(key, "").startswith(version or "") for key, version in wanted.items())
    ]
