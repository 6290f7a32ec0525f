import time
from pathlib import Path

import pytest

from films import films, stored, update, videos
from metaxy.errors import FallbackStoreError, StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.fault_proxy import Fault, FaultProxy, fault_proxy
from support.s3_endpoint import S3Endpoint
from support.s3_servers import S3Server


def store_at(endpoint: S3Endpoint, prefix: str, **options: str) -> DeltaMetadataStore:
    """A store of the graph of films."""
    return DeltaMetadataStore(
        endpoint.uri(prefix), graph=films(), storage_options=endpoint.storage_options() | options
    )


def branch(folder: Path, *fallbacks: DeltaMetadataStore) -> DeltaMetadataStore:
    """A local lake with fallbacks behind it."""
    return DeltaMetadataStore(folder / "own", graph=films(), fallback_stores=fallbacks)


def work_through(store: DeltaMetadataStore) -> None:
    """All that may be done with a store whose fallback has the videos."""
    with store.open("write"):
        assert stored(store, "video", "id") == ["a", "b"]
        assert update(store, "transcript") == [2, 0, 0]
        assert update(store, "transcript") == [0, 0, 0]
        store.record_feature_graph_snapshot()
        store.delete_metadata("transcript", ["id = 'a'"])
        store.drop_feature_metadata("transcript")
        assert store.has_feature("video", check_fallback=True)
        assert not store.has_feature("video")
        assert store.list_features() == ()


def fill(endpoint: S3Endpoint, prefix: str) -> None:
    """A production lake with two videos."""
    with store_at(endpoint, prefix).open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1")))


def test_a_reader_may_have_a_fallback_that_it_can_not_write(
    rgw: S3Server, prefix: str, tmp_path: Path
) -> None:
    """With leave to get and list alone; nothing is written, and nothing tried."""
    assert rgw.reader is not None
    fill(rgw.owner, prefix)
    with fault_proxy(rgw.owner) as proxy:
        work_through(branch(tmp_path, store_at(proxy.through(rgw.reader), prefix)))
        asked = set(proxy.counts())

    assert asked <= {"GET", "HEAD", "LIST"}


def test_one_who_may_only_read_is_told_so_on_writing(rgw: S3Server, prefix: str) -> None:
    """The write fails at once, and says that nothing was written; a new lake likewise."""
    assert rgw.reader is not None
    fill(rgw.owner, prefix)
    start = time.monotonic()
    for place in (prefix, f"{prefix}-new"):
        with (
            store_at(rgw.reader, place).open("write") as store,
            pytest.raises(StoreError, match=r"nothing was written|can't be made"),
        ):
            store.write_metadata("video", videos(("c", "1", "1")))

    assert time.monotonic() - start < 20
    with store_at(rgw.owner, prefix) as store:
        assert stored(store, "video", "id") == ["a", "b"]


def test_a_public_lake_needs_no_name(s3: S3Server, prefix: str, tmp_path: Path) -> None:
    """An anonymous fallback; the owner writes to it, and the world reads."""
    fill(s3.public, prefix)
    with fault_proxy(s3.public) as proxy:
        anonymous = proxy.endpoint.anonymous()
        work_through(branch(tmp_path, store_at(anonymous, prefix)))

        assert set(proxy.counts()) <= {"GET", "HEAD", "LIST"}


def test_stores_of_a_chain_have_their_own_credentials(
    moto: S3Server, rgw: S3Server, prefix: str, tmp_path: Path
) -> None:
    """Local over one server over another one."""
    assert rgw.reader is not None
    fill(rgw.owner, prefix)
    last = store_at(rgw.reader, prefix)
    middle = DeltaMetadataStore(
        moto.owner.uri(prefix),
        graph=films(),
        storage_options=moto.owner.storage_options(),
        fallback_stores=[last],
    )
    with middle.open("write"):
        assert update(middle, "transcript") == [2, 0, 0]
    with branch(tmp_path, middle) as store:
        assert stored(store, "video", "id") == ["a", "b"]
        assert stored(store, "transcript", "id") == ["a", "b"]


@pytest.mark.parametrize("s3", ["moto"], indirect=True)
@pytest.mark.parametrize("when", ["before opening", "later"])
def test_a_dead_fallback_is_named_and_only_when_needed(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, tmp_path: Path, when: str
) -> None:
    """Within seconds; the store works on with what it has itself."""
    fill(lake, prefix)
    fallback = store_at(proxy.endpoint, prefix, max_retries="2", retry_timeout="2s", timeout="1s")
    if when == "before opening":
        proxy.set_faults(Fault("reset"))
    start = time.monotonic()
    with branch(tmp_path, fallback).open("write") as store:
        proxy.set_faults(Fault("hang", seconds=60))
        with pytest.raises(FallbackStoreError, match="doesn't answer, and 'video'") as raised:
            store.resolve_update("transcript")
        store.write_metadata("video", videos(("z", "1", "1")))
        assert update(store, "transcript") == [1, 0, 0]

    assert raised.value.store == fallback.display()
    assert time.monotonic() - start < 30


def test_a_server_that_is_not_there_is_told_soon(prefix: str, tmp_path: Path) -> None:
    """With the options as they are by default."""
    nobody = S3Endpoint("http://127.0.0.1:1", "lake", "key", "secret-secret")
    start = time.monotonic()
    with (
        branch(tmp_path, store_at(nobody, prefix)) as store,
        pytest.raises(FallbackStoreError) as raised,
    ):
        store.read_metadata("video")

    assert "127.0.0.1:1" in str(raised.value)
    assert "secret-secret" not in str(raised.value)
    assert time.monotonic() - start < 30
