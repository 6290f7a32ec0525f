"""Posters and titles get records, by operations that any migration may use.

`backfills.py` has the operations. Nothing changes from one snapshot to another here: it is within
one, the one that has the new features.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from backfills import ExternalBackfill, S3ObjectsBackfill, TitlesBackfill
from metaxy import FeatureKey
from metaxy.migrations import FullGraphMigration


class MetadataBackfillMigration(FullGraphMigration):
    """What the bucket and the catalogue know becomes records."""

    migration_id: str = "20250101_160000_metadata_backfill"
    created_at: datetime = datetime(2025, 1, 1, 16, tzinfo=UTC)
    parent: str = "20250101_150000_custom_validation"
    snapshot_version: str = "2116dea85a99efc42f67f0af55895fa0d0bdc7603339216bdda5148b1325d6e0"

    def build_operations(self) -> Sequence[ExternalBackfill]:
        """One operation a feature."""
        return [
            S3ObjectsBackfill(
                feature_key=FeatureKey("video/poster"),
                s3_bucket="archive",
                s3_prefix="posters/",
                reason="They were made by hand, and are in the bucket.",
            ),
            TitlesBackfill(
                feature_key=FeatureKey("video/title"),
                reason="They were given by hand, and are in the catalogue.",
            ),
        ]
