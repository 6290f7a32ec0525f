"""Removals from a lake, and all that it shows before and after, for tests that harm them.

The lake is a folder. Tests on S3 upload one and download it again: tables name their files by paths
within their folders, so it may lie anywhere, and is looked at where that is quick.
"""

import shutil
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

import polars as pl
from deltalake import DeltaTable

from films import films, stored, update, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.pushing import read_pushes
from support.s3_endpoint import S3Endpoint

FEATURES: Final = ("video", "transcript")
ALICE: Final = pl.DataFrame({"id": ["alice"]})
Contents = Mapping[str, Any]
"""What a lake shows, by a name for each thing that can be seen."""

REMOVALS: Final[Mapping[str, Callable[[DeltaMetadataStore], object]]] = {
    "hard-deletion": lambda store: store.delete_metadata("video", ["id = 'alice'"], soft=False),
    "purge": lambda store: store.purge("video", ALICE),
    "vacuum": lambda store: store.vacuum(retention=timedelta(0)),
    "drop": lambda store: store.drop_feature_metadata("video"),
    "soft-deletion": lambda store: store.delete_metadata("video", ["id = 'alice'"]),
    "tag": lambda store: store.tag("mine"),
    "untag": lambda store: store.untag("kept"),
    "push": lambda store: store.record_feature_graph_snapshot(),
}
"""What is done to the lake; pushes and tags remove nothing, and are harmed in the same way."""


def fill(root: Path) -> None:
    """Make a lake with Alice in it, who isn't in what the tag `kept` pins.

    The table of videos has versions that only the tag needs, and one whose file nobody needs.
    """
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        store.write_metadata("video", videos(("bob", "1", "1"), ("carol", "1", "1")))
        update(store, "transcript")
        store.tag("kept")
        store.write_metadata("video", videos(("alice", "1", "1"), ("dave", "1", "1")))
        update(store, "transcript")
        store.delete_metadata("video", ["id = 'bob'"], soft=False)
        store.write_metadata("video", videos(("erin", "1", "1")))


def contents(root: Path, *, versions: Mapping[str, int]) -> Contents:
    """All that can be seen of a lake in a folder.

    Args:
        versions: Of each table, up to which version its past is told.
    """
    store = DeltaMetadataStore(root, graph=films())
    with store:
        tags: list[str] = store.tags()["name"].to_list()
        seen: dict[str, Any] = {
            "tags": sorted(tags),
            "events": store.read_events()["kind"].to_list(),
            "pushed features": read_pushes(store).height,
        }
        for feature in FEATURES:
            path = store.table_path(feature)
            newest = DeltaTable(path).version()
            files = _ids_of_files(Path(path))
            seen[f"{feature}, rows"] = _ids(path, newest, files)
            for version in range(versions[feature] + 1):
                seen[f"{feature}, {version}"] = _ids(path, version, files)
            if store.has_feature(feature):
                seen[f"{feature}, current"] = stored(store, feature, "id")
            if "kept" in tags:
                seen[f"{feature}, as tagged"] = stored(store.as_of("kept"), feature, "id")
    return seen


def newest_versions(root: Path) -> dict[str, int]:
    """The newest version of each table."""
    store = DeltaMetadataStore(root, graph=films())
    return {each: DeltaTable(store.table_path(each)).version() for each in FEATURES}


def without_events(seen: Contents) -> Contents:
    """All but the log of events."""
    return {name: each for name, each in seen.items() if name != "events"}


@dataclass(frozen=True)
class Lakes:
    """A lake in a folder, what it shows, and what it shows after each removal that goes well."""

    folder: Path
    before: Contents
    versions: Mapping[str, int]
    known: dict[str, Contents] = field(default_factory=dict[str, Contents])

    @classmethod
    def filled(cls, folder: Path) -> Self:
        """A new one."""
        root = folder / "lake"
        fill(root)
        versions = newest_versions(root)
        return cls(root, contents(root, versions=versions), versions)

    def after(self, name: str) -> Contents:
        """What the lake shows after a removal that goes well."""
        if name not in self.known:
            root = self.folder.with_name(name)
            shutil.copytree(self.folder, root)
            with DeltaMetadataStore(root, graph=films()).open("write") as store:
                REMOVALS[name](store)
            self.known[name] = contents(root, versions=self.versions)
        return self.known[name]


def differences(seen: Contents, *allowed: Contents) -> dict[str, Any]:
    """What is seen otherwise than in any of those that are allowed."""
    names = seen.keys() | {name for each in allowed for name in each}
    return {
        name: seen.get(name)
        for name in sorted(names)
        if all(seen.get(name) != each.get(name) for each in allowed)
    }


def _ids_of_files(table: Path) -> Mapping[str, list[str]]:
    """The ids in each file of a table, by its name; past metaxy and past Delta."""
    return {
        path.name: pl.read_parquet(path, columns=["id"])["id"].to_list()
        for path in table.glob("*.parquet")
    }


def _ids(path: str, version: int, files: Mapping[str, list[str]]) -> list[str] | str:
    """The ids in a version of a table; or that it can't be read any more."""
    names = [uri.rpartition("/")[2] for uri in DeltaTable(path, version=version).file_uris()]
    if not files.keys() >= set(names):
        return "gone"
    return sorted(each for name in names for each in files[name])


# --- lakes on S3 ---------------------------------------------------------------------------------


def upload(root: Path, lake: S3Endpoint, prefix: str) -> None:
    """Put the files of a lake into a bucket."""
    files = [path for path in root.rglob("*") if path.is_file()]
    with lake.client() as client, ThreadPoolExecutor(4) as threads:

        def put(path: Path) -> None:
            key = f"{prefix}/{path.relative_to(root).as_posix()}"
            client.put_object(Bucket=lake.bucket, Key=key, Body=path.read_bytes())

        list(threads.map(put, files))


def downloaded(lake: S3Endpoint, prefix: str, root: Path) -> Path:
    """Get the files of a lake from a bucket into a new folder, and give that."""
    with lake.client() as client, ThreadPoolExecutor(4) as threads:

        def get(key: str) -> None:
            path = root / key.removeprefix(f"{prefix}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket=lake.bucket, Key=key)["Body"].read())

        list(threads.map(get, _keys(client, lake, prefix)))
    return root


def _keys(client: Any, lake: S3Endpoint, prefix: str) -> Collection[str]:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=lake.bucket, Prefix=f"{prefix}/"
    )
    return [each["Key"] for page in pages for each in page.get("Contents", ())]
