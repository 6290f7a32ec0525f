"""Copies to S3, from it, and between two servers with different credentials."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from films import films, stored, update, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.s3_endpoint import S3Endpoint
from support.s3_servers import S3Server


def local(folder: Path) -> DeltaMetadataStore:
    """A new lake on the disk."""
    return DeltaMetadataStore(folder / uuid.uuid4().hex, graph=films())


def remote(endpoint: S3Endpoint, prefix: str) -> DeltaMetadataStore:
    """A lake in a bucket."""
    return DeltaMetadataStore(
        endpoint.uri(prefix), graph=films(), storage_options=endpoint.storage_options()
    )


def fill(store: DeltaMetadataStore) -> None:
    """Write, change and delete some records."""
    with store.open("write"):
        store.record_feature_graph_snapshot()
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"), ("c", "1", "1")))
        update(store, "transcript")
        update(store, "video", videos(("a", "2", "1"), ("b", "1", "1")))


def check(source: DeltaMetadataStore, target: DeltaMetadataStore, *, history: bool) -> None:
    """Copy, copy again, go on with the source and copy once more."""
    with source.open("write"), target.open("write"):
        assert sum(target.copy_metadata(source, history=history).values()) == 8
        assert sum(target.copy_metadata(source, history=history).values()) == 0
        source.write_metadata("video", videos(("d", "1", "1")))
        assert target.copy_metadata(source, history=history) == {"video": 1, "transcript": 0}

        assert stored(target, "video", "id") == ["a", "b", "d"]
        for store in (source, target):
            increment = store.resolve_update("transcript")
            assert [len(each) for each in (increment.added, increment.changed)] == [1, 1]
            assert len(increment.removed) == 1
        assert target.load_graph_snapshot(films().snapshot_version) == films()


@pytest.mark.parametrize("history", [False, True], ids=["rows", "history"])
def test_lakes_are_copied_to_s3_and_back(
    lake: S3Endpoint, prefix: str, tmp_path: Path, *, history: bool
) -> None:
    """From the disk to a server, and from there to the disk."""
    first, second = local(tmp_path), local(tmp_path)
    fill(first)
    check(first, remote(lake, f"{prefix}/a b"), history=history)
    with remote(lake, f"{prefix}/a b") as source, second.open("write"):
        copied = second.copy_metadata(source, history=history)
        assert copied == {"video": 6, "transcript": 3}
        assert stored(second, "video", "id") == ["a", "b", "d"]


@pytest.mark.parametrize("history", [False, True], ids=["rows", "history"])
def test_lakes_are_copied_between_servers(
    moto: S3Server, rgw: S3Server, prefix: str, *, history: bool
) -> None:
    """Each is asked with its own credentials: moto takes any, and Ceph only its own."""
    theirs = replace(moto.owner, access_key="another-key", secret_key="another-secret")  # noqa: S106 -- of a test
    source = remote(theirs, prefix)
    fill(source)
    check(source, remote(rgw.owner, prefix), history=history)
