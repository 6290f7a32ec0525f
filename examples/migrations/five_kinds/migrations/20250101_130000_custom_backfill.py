"""Videos that were processed before there was a lake become records of the root.

They lie in a bucket. What is too small to be a video is left out.
"""

from datetime import UTC, datetime

import polars as pl
from pydantic import Field

from features import VideoFile
from metaxy import FeatureKey, MetadataStore
from metaxy.migrations import CustomMigration, MigrationResult
from sources import list_objects


class S3VideoBackfillMigration(CustomMigration):
    """Videos of the bucket get records."""

    migration_id: str = "20250101_130000_custom_backfill"
    created_at: datetime = datetime(2025, 1, 1, 13, tzinfo=UTC)
    parent: str = "20250101_120000_simple_reconciliation"
    s3_bucket: str = "archive"
    s3_prefix: str = "processed/"
    min_size_kb: int = Field(default=10, ge=0)

    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """The root."""
        del store, project
        return [FeatureKey("video/file")]

    def execute(
        self, store: MetadataStore, project: str | None, *, dry_run: bool = False
    ) -> MigrationResult:
        """List the bucket, ask what of that is news to the lake, and write it."""
        # All that the bucket lacks counts as removed, and is ignored: it never had all videos.
        increment = store.resolve_update(VideoFile, samples=self.videos())
        news = pl.concat([increment.added.to_polars(), increment.changed.to_polars()])
        if not dry_run:
            store.write_metadata(VideoFile, news)
        return MigrationResult(
            migration_id=self.migration_id,
            status="completed",
            affected_features=tuple(self.get_affected_features(store, project)),
            rows_affected=news.height,
        )

    def videos(self) -> pl.DataFrame:
        """One row a video of the bucket; sound and pictures have the version of the file."""
        rows = [
            {
                "video_id": each.stem,
                "path": each.key,
                "size_bytes": each.size_bytes,
                "metaxy_provenance_by_field": {"audio": each.etag, "frames": each.etag},
            }
            for each in list_objects(self.s3_bucket, self.s3_prefix)
            if each.key.endswith(".mp4") and each.size_bytes >= 1000 * self.min_size_kb
        ]
        columns = {
            "video_id": pl.String,
            "path": pl.String,
            "size_bytes": pl.Int64,
            "metaxy_provenance_by_field": pl.Struct({"audio": pl.String, "frames": pl.String}),
        }
        return pl.DataFrame(rows, schema=columns)
