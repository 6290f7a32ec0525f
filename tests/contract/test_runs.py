"""Writes are stamped with the run that their thread is at."""

import pickle
import threading

from films import stored, videos
from lakes import Lake
from metaxy.metadata_store.base import MetadataStore

RUN = "metaxy_materialization_id"


def written(store: MetadataStore, name: str, run: str | None = None) -> None:
    """Write a video."""
    store.write_metadata("video", videos((name, "1", "1")), run)


def test_writes_in_the_block_have_its_run(lake: Lake) -> None:
    """Unless they name one; blocks nest; afterwards the store's own counts again."""
    with lake.store(materialization_id="nightly").open("write") as store:
        written(store, "before")
        with store.materializing("outer"):
            written(store, "in outer")
            with store.materializing("inner"):
                written(store, "in inner")
                store.delete_metadata("video", ["id = 'before'"])
            written(store, "named", "by hand")
        written(store, "after")
        told = dict(stored(store, "video", "id", RUN, latest_only=True))
        history = stored(store, "video", "id", RUN, latest_only=False)

    assert told == {
        "in outer": "outer",
        "in inner": "inner",
        "named": "by hand",
        "after": "nightly",
    }
    assert ("before", "inner") in history


def test_a_run_holds_for_its_thread_only(lake: Lake) -> None:
    """Another thread that uses the store meanwhile is at something else."""
    with lake.store().open("write") as store:
        with store.materializing("mine"):
            other = threading.Thread(target=written, args=(store, "theirs"))
            other.start()
            other.join()
            written(store, "mine")
        told = dict(stored(store, "video", "id", RUN))

    assert told == {"mine": "mine", "theirs": None}


def test_a_store_travels_without_the_run_of_a_thread(lake: Lake) -> None:
    """Its own goes along."""
    store = lake.store(materialization_id="nightly")
    with store.materializing("mine"):
        copy: MetadataStore = pickle.loads(pickle.dumps(store))  # noqa: S301 -- our own bytes

        assert store.materialization_id == "mine"
    assert copy.materialization_id == store.materialization_id == "nightly"
