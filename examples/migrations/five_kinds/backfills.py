"""Operations of our own: records of a feature that somebody else has already.

A migration file names them by their path, `backfills.S3ObjectsBackfill`, and may have as many of
them as it needs, beside others.
"""

from abc import abstractmethod
from pathlib import Path

import polars as pl
from pydantic import Field

from metaxy import MetadataStore
from metaxy.migrations import MetadataBackfill
from sources import CATALOGUE, list_objects, rows_of


class ExternalBackfill(MetadataBackfill):
    """Records that are known elsewhere, for those that the feature lacks."""

    @abstractmethod
    def external_records(self) -> pl.DataFrame:
        """One row a record: `video_id` and the columns of the feature."""

    def execute(
        self,
        store: MetadataStore,
        *,
        from_snapshot_version: str,
        to_snapshot_version: str,
        dry_run: bool = False,
    ) -> int:
        """Write what is known elsewhere and due here; called again, there is nothing due."""
        del from_snapshot_version, to_snapshot_version  # they are one: it is no change
        due = store.resolve_update(self.feature_key).added.to_polars()
        found = self.external_records().join(due, on="video_id", how="inner")
        if not dry_run:
            store.write_metadata(self.feature_key, found)
        return found.height


class S3ObjectsBackfill(ExternalBackfill):
    """Files in a bucket, each named for its video."""

    s3_bucket: str = Field(min_length=1)
    s3_prefix: str = ""
    min_size_bytes: int = Field(default=1, ge=0)

    def external_records(self) -> pl.DataFrame:
        """One row an object that is large enough."""
        rows = [
            {"video_id": each.stem, "path": each.key, "size_bytes": each.size_bytes}
            for each in list_objects(self.s3_bucket, self.s3_prefix)
            if each.size_bytes >= self.min_size_bytes
        ]
        columns = {"video_id": pl.String, "path": pl.String, "size_bytes": pl.Int64}
        return pl.DataFrame(rows, schema=columns)


class TitlesBackfill(ExternalBackfill):
    """Titles from the old catalogue."""

    database: Path = CATALOGUE

    def external_records(self) -> pl.DataFrame:
        """One row a video that has a title."""
        rows = rows_of(self.database, "SELECT video_id, title FROM titles WHERE title <> ''")
        return pl.DataFrame(rows, schema={"video_id": pl.String, "title": pl.String})
