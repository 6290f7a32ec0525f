"""Ratings come from the database of the old catalogue, which is looked at before anything is done.

Validators run whenever the file is read, also by `metaxy migrations status`: whatever they check
must be there as long as the file is. When it is applied everywhere, the file may be taken away.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from features import Rating
from metaxy import FeatureKey, MetadataStore
from metaxy.migrations import CustomMigration, MigrationResult
from sources import CATALOGUE, rows_of

SCHEME = "sqlite:///"
COLUMNS = {"video_id", "stars", "rated_on"}


class ValidatedDatabaseBackfillMigration(CustomMigration):
    """Ratings of the old catalogue get records."""

    migration_id: str = "20250101_150000_custom_validation"
    created_at: datetime = datetime(2025, 1, 1, 15, tzinfo=UTC)
    parent: str = "20250101_140000_dynamic_operations"
    database_url: str = f"{SCHEME}{CATALOGUE}"
    table_name: str = Field(default="ratings", pattern=r"^[a-z_]+$")
    batch_size: int = Field(default=2, ge=1, le=10_000)
    rated_from: date = date(2020, 1, 1)
    rated_until: date = date(2024, 12, 31)

    @field_validator("database_url")
    @classmethod
    def is_sqlite(cls, value: str) -> str:
        """Only SQLite is understood."""
        if not value.startswith(SCHEME):
            raise ValueError(f"write {SCHEME} and the path of the file")
        return value

    @model_validator(mode="after")
    def has_days(self) -> Self:
        """The period must have a day at least."""
        if self.rated_from > self.rated_until:
            raise ValueError(f"no day is from {self.rated_from} until {self.rated_until}")
        return self

    @model_validator(mode="after")
    def is_reachable(self) -> Self:
        """The database must be there, with the table and the columns that are read."""
        try:
            found = rows_of(self.database, "SELECT name FROM pragma_table_info(?)", self.table_name)
        except sqlite3.OperationalError as error:
            raise ValueError(f"{self.database} can't be read ({error})") from error
        if missing := COLUMNS - {row["name"] for row in found}:
            raise ValueError(f"'{self.table_name}' has no {', '.join(sorted(missing))}")
        return self

    @property
    def database(self) -> Path:
        """The file of the database."""
        return Path(self.database_url.removeprefix(SCHEME))

    def get_affected_features(
        self, store: MetadataStore, project: str | None = None
    ) -> list[FeatureKey]:
        """The ratings."""
        del store, project
        return [FeatureKey("video/rating")]

    def execute(
        self, store: MetadataStore, project: str | None, *, dry_run: bool = False
    ) -> MigrationResult:
        """Write the ratings that are due, batch by batch; cut off, it goes on where it was."""
        rows = sum(self.write(store, batch, dry_run=dry_run) for batch in self.batches())
        return MigrationResult(
            migration_id=self.migration_id,
            status="completed",
            affected_features=tuple(self.get_affected_features(store, project)),
            rows_affected=rows,
        )

    def write(self, store: MetadataStore, batch: pl.DataFrame, *, dry_run: bool) -> int:
        """Write those of a batch whose videos are known and have no rating yet."""
        due = store.resolve_update(Rating).added.to_polars()
        records = batch.join(due, on="video_id", how="inner")
        if not dry_run:
            store.write_metadata(Rating, records)
        return records.height

    def batches(self) -> Iterator[pl.DataFrame]:
        """The ratings of the period, one row a video, some at a time."""
        rows = rows_of(
            self.database,
            f"SELECT * FROM {self.table_name} WHERE rated_on BETWEEN ? AND ? ORDER BY video_id",  # noqa: S608 -- the name is letters, see its pattern
            str(self.rated_from),
            str(self.rated_until),
        )
        columns = {"video_id": pl.String, "stars": pl.Float64, "rated_on": pl.String}
        frame = pl.DataFrame(rows, schema=columns)
        yield from frame.with_columns(pl.col("rated_on").str.to_date()).iter_slices(self.batch_size)
