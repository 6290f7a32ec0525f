"""Two features have other code. Which of them is carried over is worked out when it is applied.

A feature whose author says in its spec that the results are the same is carried; the others are
computed again. `RECOMPUTE=video/embedding metaxy migrations apply` has it computed again all the
same, for instance where there is a GPU to spare.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from metaxy import FeatureGraph
from metaxy.migrations import DataVersionReconciliation, PythonMigration


class DynamicOperationsMigration(PythonMigration):
    """Features whose authors vouch for the results are carried over."""

    migration_id: str = "20250101_140000_dynamic_operations"
    created_at: datetime = datetime(2025, 1, 1, 14, tzinfo=UTC)
    parent: str = "20250101_130000_custom_backfill"
    from_snapshot_version: str = "a2862c02890a8e1245cf57f3df3a92214f0f0506edea1535c5f1cf2221aab807"
    to_snapshot_version: str = "2116dea85a99efc42f67f0af55895fa0d0bdc7603339216bdda5148b1325d6e0"
    skip_root_features: bool = True

    def build_operations(self) -> list[DataVersionReconciliation]:
        """One operation for each feature that says why its results are the same."""
        return list(self.vouched_for(FeatureGraph.get_active()))

    def vouched_for(self, graph: FeatureGraph) -> Iterator[DataVersionReconciliation]:
        """The operations, upstreams first."""
        for key in graph.topological_order():
            spec = graph.definition(key).spec
            is_skipped = self.skip_root_features and key in graph.roots
            if is_skipped or str(key) in os.environ.get("RECOMPUTE", "").split(","):
                continue
            if reason := spec.metadata.get("same_results"):
                yield DataVersionReconciliation(
                    feature_key=key, reason=reason, assume_same_result=True
                )
