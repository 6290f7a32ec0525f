"""The explicit operations of a migration: one for each feature, each after those it depends on."""

from collections.abc import Iterable, Iterator, Sequence

from metaxy.errors import MigrationError, did_you_mean
from metaxy.graph.graph import FeatureGraph
from metaxy.migrations.ops import (
    BaseOperation,
    CustomFunction,
    DataVersionReconciliation,
    FeatureVersionMigration,
    id_part,
    is_for_all,
)
from metaxy.migrations.reconciliation import affected_features
from metaxy.models.keys import FeatureKey


def explicit_operations(
    given: Sequence[BaseOperation],
    affected: Sequence[FeatureKey],
    *,
    old: FeatureGraph,
    new: FeatureGraph,
) -> tuple[BaseOperation, ...]:
    """One operation a feature, in topological order of the new graph.

    Args:
        given: As a file says: one without a feature stands for those of `affected` that have none
            of their own, and one of the older format for its downstream, too.
        affected: What an operation without a feature is about.

    Raises:
        MigrationError: A feature is not in the new graph, is reconciled twice, or two operations
            have one id; has every fault.
    """
    own: list[BaseOperation] = [
        each.as_reconciliation() if isinstance(each, FeatureVersionMigration) else each
        for each in given
        if not is_for_all(each)
    ]
    if faults := [*_unknown(own, new), *_repeated(own)]:
        raise MigrationError("The operations can't be done", faults)
    named = {each.feature_key for each in own}
    for each in given:
        if is_for_all(each):
            added = _for_all(each, [key for key in affected if key not in named])
        elif isinstance(each, FeatureVersionMigration | CustomFunction):
            added = _propagated(each, named, old=old, new=new)
        else:
            continue
        own += added
        named.update(other.feature_key for other in added)
    if faults := list(_repeated(own)):
        raise MigrationError("The operations can't be done", faults)
    rank = {key: rank for rank, key in enumerate(new.topological_order())}
    return tuple(sorted(own, key=lambda each: rank.get(each.feature_key, -1)))


def _for_all(operation: BaseOperation, features: Iterable[FeatureKey]) -> list[BaseOperation]:
    return [
        operation.model_copy(
            update={"feature_key": feature, "id": f"{operation.id}_{id_part(feature)}"}
        )
        for feature in features
    ]


def _propagated(
    operation: FeatureVersionMigration | CustomFunction,
    named: set[FeatureKey],
    *,
    old: FeatureGraph,
    new: FeatureGraph,
) -> list[BaseOperation]:
    """Operations for what is downstream of an operation of the older format."""
    feature = operation.feature_key
    below = set(new.downstream(feature)) - named
    return [
        DataVersionReconciliation(feature_key=key, reason=f"Follows from {feature}.")
        for key in affected_features(old, new)
        if key in below
    ]


def _unknown(operations: Iterable[BaseOperation], graph: FeatureGraph) -> Iterator[str]:
    names = [str(key) for key in graph]
    for each in operations:
        key = each.feature_key
        if key not in graph:
            yield (
                f"{each.id!r} is about the feature '{key}', which the definitions that are "
                f"migrated to don't have.{did_you_mean(str(key), names)}"
            )


def _repeated(operations: Iterable[BaseOperation]) -> Iterator[str]:
    """Tell ids that two operations have, and features that two reconcile."""
    ids: dict[str, BaseOperation] = {}
    reconciled: dict[FeatureKey, str] = {}
    for each in operations:
        if each.id in ids:
            yield f"Two operations have the id {each.id!r}; ids are unique within a migration"
        ids[each.id] = each
        feature = each.feature_key
        if isinstance(each, DataVersionReconciliation):
            if feature in reconciled:
                yield f"{each.id!r} and {reconciled[feature]!r} both reconcile '{feature}'"
            reconciled[feature] = each.id
