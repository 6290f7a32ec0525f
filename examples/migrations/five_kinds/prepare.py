"""Makes what the migrations find: a lake by two older releases, a bucket, and a database.

    python prepare.py

Needs an S3 server; where it is, the environment says. Begins anew if it is run again.
"""

import importlib
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress

import polars as pl

from metaxy import DeltaMetadataStore, FeatureRegistry, MetadataStore
from sources import CATALOGUE, HERE, files

BUCKET = "archive"
LAKE = HERE / "lake"
OBJECTS = {
    "processed/v07.mp4": 20_000,
    "processed/v08.mp4": 30_000,
    "processed/v09.mp4": 4_000,  # too small to be a video
    "processed/notes.txt": 50_000,
    "posters/v01.jpg": 700,
    "posters/v02.jpg": 800,
    "posters/v07.jpg": 900,
    "posters/v99.jpg": 900,  # of no video that we have
}
TITLES = [("v01", "Harbour"), ("v02", "Market"), ("v03", ""), ("v08", "Night train")]
RATINGS = [
    ("v01", 4.5, "2024-03-01"),
    ("v02", 3.0, "2024-05-17"),
    ("v03", 2.5, "2019-12-31"),  # before people could rate in halves
    ("v04", 5.0, "2024-11-30"),
    ("v07", 4.0, "2024-12-24"),
]


def fill_bucket() -> None:
    """Put the files into the bucket."""
    server = files()
    with suppress(FileNotFoundError):
        server.rm(BUCKET, recursive=True)
    server.mkdir(BUCKET)
    for key, size_bytes in OBJECTS.items():
        server.pipe(f"{BUCKET}/{key}", key.encode().ljust(size_bytes, b"."))


def fill_catalogue() -> None:
    """Make the database."""
    CATALOGUE.unlink(missing_ok=True)
    with closing(sqlite3.connect(CATALOGUE)) as connection, connection:
        connection.execute("CREATE TABLE titles (video_id TEXT PRIMARY KEY, title TEXT)")
        connection.executemany("INSERT INTO titles VALUES (?, ?)", TITLES)
        connection.execute(
            "CREATE TABLE ratings (video_id TEXT PRIMARY KEY, stars REAL, rated_on TEXT)"
        )
        connection.executemany("INSERT INTO ratings VALUES (?, ?, ?)", RATINGS)


def fill_lake() -> None:
    """Do what the first two releases did.

    All was computed by the first one. Then v06 got other pictures: its embedding was computed
    again, its transcript was not. The second one was deployed, and computed nothing.
    """
    shutil.rmtree(LAKE, ignore_errors=True)
    with deployed("first") as store:
        ids = [f"v{number:02}" for number in range(1, 7)]
        store.write_metadata("video/file", videos(ids, pictures="as filmed"))
        for feature in ("transcript", "language", "keywords", "embedding"):
            compute(store, f"video/{feature}")
        store.write_metadata("video/file", videos(["v06"], pictures="in colour"))
        compute(store, "video/embedding")
    with deployed("second"):
        pass


@contextmanager
def deployed(release: str) -> Generator[MetadataStore]:
    """The lake, open for writing by the features of a release, which are pushed."""
    with FeatureRegistry(default_project="archive").use() as registry:
        importlib.import_module(f"releases.{release}")
    with DeltaMetadataStore(LAKE, graph=registry.graph()).open("write") as store:
        store.record_feature_graph_snapshot()
        yield store


def videos(ids: list[str], *, pictures: str) -> pl.DataFrame:
    """Records of the root."""
    rows = [
        {
            "video_id": name,
            "path": f"films/{name}.mp4",
            "size_bytes": 25_000,
            "metaxy_provenance_by_field": {"audio": f"sound of {name}", "frames": pictures},
        }
        for name in ids
    ]
    return pl.DataFrame(rows)


def compute(store: MetadataStore, feature: str) -> None:
    """Write what is due; that no model is asked makes no difference here."""
    increment = store.resolve_update(feature)
    due = pl.concat([increment.added.to_polars(), increment.changed.to_polars()])
    made = {
        "video/transcript": pl.format("words of {}", "video_id").alias("text"),
        "video/language": pl.lit("en").alias("language"),
        "video/keywords": pl.concat_list("video_id").alias("keywords"),
        "video/embedding": pl.lit([0.5, 0.25], pl.List(pl.Float64)).alias("vector"),
    }
    columns = ["video_id", "metaxy_provenance_by_field"]
    store.write_metadata(feature, due.select(*columns, made[feature]))


if __name__ == "__main__":
    fill_bucket()
    fill_catalogue()
    fill_lake()
    print("The lake has 6 videos, the bucket 8 files, and the catalogue 4 titles and 5 ratings.")
