"""Which store of a chain answers, and that none but the first is ever written to."""

import os
import stat
from pathlib import Path

import pytest

from films import films, stored, update, videos
from lakes import Lake
from metaxy.errors import (
    ConfigError,
    FallbackStoreError,
    FeatureNotFoundError,
    HashSettingsMismatchError,
)
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore


@pytest.fixture
def production(lake: Lake) -> Lake:
    """A lake with the videos `a` and `b`."""
    with lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1")))
    return lake


def test_upstreams_come_from_the_first_store_that_has_records(production: Lake) -> None:
    """What is stored of the feature itself doesn't: its records are to be written here."""
    with production.store().open("write") as store:
        update(store, "transcript")
    branch = production.another()
    with branch.store(fallback_stores=[production.store()]).open("write") as store:
        assert stored(store, "video", "id") == ["a", "b"]
        assert stored(store, "transcript", "id") == ["a", "b"]
        assert update(store, "transcript") == [2, 0, 0]
        assert update(store, "transcript") == [0, 0, 0]
        assert not store.has_feature("video")
        assert store.has_feature("video", check_fallback=True)
        assert [str(key) for key in store.list_features()] == ["transcript"]
        with pytest.raises(FeatureNotFoundError, match=r"'video'"):
            store.read_metadata("video", allow_fallback=False)


def test_own_records_hide_those_of_a_fallback(production: Lake) -> None:
    """All of them: records of a feature come from one store."""
    with production.another().store(fallback_stores=[production.store()]).open("write") as store:
        store.write_metadata("video", videos(("z", "1", "1")))

        assert stored(store, "video", "id") == ["z"]
        assert len(store.resolve_update("transcript").added) == 1
    with production.store() as store:
        assert stored(store, "video", "id") == ["a", "b"]


def test_rows_of_another_version_hide_nothing(production: Lake) -> None:
    """Neither do they answer, nor keep a fallback from answering."""
    branch = production.another()
    with branch.store(graph=films(video="0")).open("write") as store:
        store.write_metadata("video", videos(("old", "1", "1")))
    with branch.store(fallback_stores=[production.store()]) as store:
        assert stored(store, "video", "id") == ["a", "b"]
        assert len(store.resolve_update("transcript").added) == 2


def test_a_dropped_feature_hides_nothing(versioned_lake: Lake) -> None:
    """A fallback answers again after a drop, and until the feature is written anew."""
    with versioned_lake.store().open("write") as store:
        update(store, "video", videos(("a", "1", "1")))
    branch = versioned_lake.another().store(fallback_stores=[versioned_lake.store()])
    with branch.open("write") as store:
        store.write_metadata("video", videos(("z", "1", "1")))
        store.drop_feature_metadata("video")
        assert stored(store, "video", "id") == ["a"]
        store.write_metadata("video", videos(("y", "1", "1")))
        assert stored(store, "video", "id") == ["y"]


def test_chains_nest(production: Lake) -> None:
    """A fallback's fallbacks come before the next fallback."""
    middle, last = production.another(), production.another()
    with last.store().open("write") as store:
        store.write_metadata("video", videos(("last", "1", "1")))
    chain: list[MetadataStore] = [
        middle.store(fallback_stores=[production.store()]),
        last.store(),
    ]
    with production.another().store(fallback_stores=chain) as store:
        assert stored(store, "video", "id") == ["a", "b"]


def test_system_tables_are_never_a_fallbacks(production: Lake) -> None:
    """A push says what is deployed to one lake."""
    with production.store().open("write") as store:
        store.record_feature_graph_snapshot()
    with production.another().store(fallback_stores=[production.store()]).open("write") as store:
        assert store.read_pushes().is_empty()
        with pytest.raises(FeatureNotFoundError):
            store.read_metadata(["metaxy-system", "feature_versions"])
        assert store.record_feature_graph_snapshot().case == "new"


def test_hash_settings_agree_along_the_chain(production: Lake) -> None:
    """Checked when opened, naming both stores; also when the lakes are new."""
    other = production.another()
    with other.store(hash_algorithm="md5").open("write") as store:
        store.write_metadata("video", videos(("z", "1", "1")))
    first, second = production.store(fallback_stores=[other.store()]), other.store()
    with pytest.raises(HashSettingsMismatchError) as raised, first:
        pass
    assert first.display() in str(raised.value)
    assert second.display() in str(raised.value)
    assert (raised.value.wanted, raised.value.got) == (
        "xxhash64, not truncated",
        "md5, not truncated",
    )
    fresh = production.another().store(hash_truncation_length=9)
    again = production.another().store(hash_algorithm="md5", fallback_stores=[fresh])
    with again:
        assert str(again.hash_settings) == "md5, truncated to 9"
    with pytest.raises(ValueError, match=r"truncated to 8.*its fallback .* with truncated to 9"):
        production.another().store(hash_truncation_length=8, fallback_stores=[fresh]).__enter__()


def test_a_new_lake_takes_over_how_its_fallback_hashes(lake: Lake) -> None:
    """So that versions can be compared; a lake that disagrees with its own store is refused."""
    with lake.store(hash_algorithm="wyhash", hash_truncation_length=10).open("write") as store:
        update(store, "video", videos(("a", "1", "1")))
    branch = lake.another()
    with branch.store(fallback_stores=[lake.store()]).open("write") as store:
        update(store, "transcript")
        store.validate_hash_algorithm()
        assert str(store.hash_settings) == "wyhash, truncated to 10"
    with branch.store() as store:
        assert str(store.hash_settings) == "wyhash, truncated to 10"
    with pytest.raises(
        HashSettingsMismatchError, match=r"hashes with wyhash, truncated to 10, and"
    ):
        branch.store(hash_algorithm="xxhash64").__enter__()


def test_a_dead_fallback_is_named_when_it_is_needed(tmp_path: Path) -> None:
    """Not when the store itself has the records."""
    dead = tmp_path / "dead"
    log = dead / "video.delta" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("{torn")
    fallback = DeltaMetadataStore(dead, graph=films())
    store = DeltaMetadataStore(tmp_path / "own", graph=films(), fallback_stores=[fallback])
    with store.open("write"):
        with pytest.raises(FallbackStoreError, match=r"dead\) doesn't answer, and 'video'"):
            store.resolve_update("transcript")
        store.write_metadata("video", videos(("a", "1", "1")))
        assert update(store, "transcript") == [1, 0, 0]
        with pytest.raises(FallbackStoreError) as raised:
            store.read_metadata("video", feature_version="x", current_only=False)
        assert raised.value.store == fallback.display()


def test_a_fallback_that_can_not_be_opened_is_told_only_when_needed(tmp_path: Path) -> None:
    """Even its settings may be unreadable."""
    lake_log = tmp_path / "dead" / "metaxy-system" / "lake.delta" / "_delta_log"
    lake_log.mkdir(parents=True)
    (lake_log / f"{0:020}.json").write_text("{torn")
    fallback = DeltaMetadataStore(tmp_path / "dead", graph=films())
    store = DeltaMetadataStore(tmp_path / "own", graph=films(), fallback_stores=[fallback])
    with store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1")))
        assert stored(store, "video", "id") == ["a"]
        with pytest.raises(FallbackStoreError, match=r"doesn't answer"):
            store.read_metadata("transcript")


def test_nothing_is_written_to_a_fallback(tmp_path: Path) -> None:
    """Permission to read is enough, and not a file is touched."""
    root = tmp_path / "production"
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        update(store, "video", videos(("a", "1", "1")))
    for at, _, names in os.walk(root):
        for name in names:
            (Path(at) / name).chmod(stat.S_IRUSR)
        Path(at).chmod(stat.S_IRUSR | stat.S_IXUSR)
    before = _times(root)
    fallback = DeltaMetadataStore(root, graph=films())
    store = DeltaMetadataStore(tmp_path / "own", graph=films(), fallback_stores=[fallback])
    with store.open("write"):
        update(store, "transcript")
        store.record_feature_graph_snapshot()
        store.delete_metadata("video", ["id = 'a'"])
        store.drop_feature_metadata("transcript")
        assert not fallback._blocks.is_writable

    assert _times(root) == before
    for at, _, _ in os.walk(root):
        Path(at).chmod(stat.S_IRWXU)


def test_the_name_of_a_store_is_no_fallback(tmp_path: Path) -> None:
    """Only a configuration knows stores by name; the way there is told."""
    with pytest.raises(ConfigError, match=r"has 'prod', which is no store.*get_store"):
        DeltaMetadataStore(tmp_path, fallback_stores=["prod"])


def _times(root: Path) -> dict[str, int]:
    return {str(each): each.stat().st_mtime_ns for each in sorted(root.rglob("*"))}
