"""What lies outside of the lake: a bucket with files, and a database with the old catalogue.

Where the S3 server is, and who asks, is said by the environment (`AWS_ENDPOINT_URL` and so on).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from s3fs import S3FileSystem

HERE = Path(__file__).parent
CATALOGUE = HERE / "catalogue.db"


@dataclass(frozen=True)
class StoredObject:
    """An object of a bucket; `etag` is another one when its content is."""

    key: str
    size_bytes: int
    etag: str

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return PurePosixPath(self.key).stem


def files() -> Any:  # noqa: ANN401 -- s3fs has no types
    """The S3 server as a file system."""
    return S3FileSystem(use_listings_cache=False)


def list_objects(bucket: str, prefix: str) -> Iterator[StoredObject]:
    """Every object of a bucket below a prefix, sorted by key."""
    found: dict[str, dict[str, Any]] = files().find(f"{bucket}/{prefix}", detail=True)
    for path, facts in sorted(found.items()):
        yield StoredObject(
            key=path.removeprefix(f"{bucket}/"),
            size_bytes=facts["size"],
            etag=facts["ETag"].strip('"'),
        )


def rows_of(database: Path, query: str, *values: object) -> list[dict[str, Any]]:
    """The rows of an SQLite database that a query gives; nothing can be written by it."""
    read_only = f"{database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(read_only, uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, values)]
