"""Blocks that nest, threads that share a store, and stores that travel."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from films import films, stored, update, videos
from lakes import Lake
from metaxy.errors import StoreNotOpenError, StoreReadOnlyError
from metaxy.metadata_store.delta import DeltaMetadataStore


def test_a_store_may_be_opened_inside_its_own_block(lake: Lake) -> None:
    """A block for reading within one for writing leaves that open, and the other way round."""
    store = lake.store()
    with store.open("write"):
        with store, store:
            update(store, "video", videos(("a", "1", "1")))
        update(store, "video", videos(("b", "1", "1")))
    with store:
        with store.open("write"):
            update(store, "transcript")
        with pytest.raises(StoreReadOnlyError):
            update(store, "transcript")
        assert store.is_open
    assert not store.is_open
    with pytest.raises(StoreNotOpenError):
        store.read_metadata("video")


def test_a_block_that_fails_closes_the_store(lake: Lake) -> None:
    """The error goes on."""
    store = lake.store()
    with pytest.raises(KeyError), store:
        raise KeyError
    assert not store.is_open


def test_a_store_closes_its_fallbacks(lake: Lake) -> None:
    """They are open as long as it is, and may be open besides."""
    fallback = lake.another().store()
    store = lake.store(fallback_stores=[fallback])
    with store:
        assert fallback.is_open
        with fallback:
            pass
        assert fallback.is_open
    assert not fallback.is_open


def test_threads_use_an_open_store(lake: Lake) -> None:
    """A block of one thread is open for all."""
    with lake.store().open("write") as store, ThreadPoolExecutor(4) as threads:
        update(store, "video", videos(("a", "1", "1")))
        increments = list(threads.map(store.resolve_update, ["transcript"] * 8))

    assert [len(each.added) for each in increments] == [1] * 8


def test_a_store_pickles(tmp_path: Path) -> None:
    """Open or closed; it arrives closed, with all its options, and on the same lake."""
    fallback = DeltaMetadataStore(tmp_path / "other", graph=films())
    store = DeltaMetadataStore(
        tmp_path / "lake",
        graph=films(),
        layout="flat",
        materialization_id="run",
        project="films",
        hash_algorithm="md5",
        fallback_stores=[fallback],
    )
    with store.open("write"):
        update(store, "video", videos(("a", "1", "1")))
        copy = pickle.loads(pickle.dumps(store))  # noqa: S301 -- our own

    assert not copy.is_open
    assert copy.display() == store.display()
    assert (copy.materialization_id, copy.project, copy.layout) == ("run", "films", "flat")
    assert copy.fallback_stores[0].display() == fallback.display()
    with copy.open("write"):
        assert stored(copy, "video", "id") == ["a"]
        update(copy, "video", videos(("a", "1", "1"), ("b", "1", "1")))
    with store:
        assert stored(store, "video", "id") == ["a", "b"]


def test_copies_of_a_store_commit_under_names_of_their_own(tmp_path: Path) -> None:
    """Else a write of one would be taken for a write of the other."""
    store = DeltaMetadataStore(tmp_path, graph=films())
    copies = [pickle.loads(pickle.dumps(store)) for _ in range(3)]  # noqa: S301 -- our own
    for number, copy in enumerate([store, *copies]):
        with copy.open("write"):
            for letter in "ab":
                copy.write_metadata("video", videos((f"{letter}{number}", "1", "1")))

    with store:
        assert len(stored(store, "video", "id")) == 8
