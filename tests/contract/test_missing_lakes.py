"""A store that is pointed to where no lake is: it reads as empty, and says so."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from films import films, update, videos
from lakes import Lake
from metaxy.errors import FeatureNotFoundError, NoLakeWarning, SystemDataNotFoundError
from metaxy.metadata_store.absence import no_lake
from metaxy.metadata_store.delta import DeltaMetadataStore


@contextmanager
def no_warning() -> Generator[None]:
    """A block in which a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def delta(root: Path, **options: Any) -> DeltaMetadataStore:
    """A store of the graph of films."""
    return DeltaMetadataStore(root, graph=films(), **options)


def made(root: Path) -> Path:
    """A lake that something was written to."""
    with delta(root).open("write") as store:
        update(store, "video", videos(("a", "1", "1")))
    return root


def test_opening_for_reading_where_no_lake_is_warns(versioned_lake: Lake) -> None:
    """Once, in every kind of place; after the first write there is nothing to warn of."""
    store = versioned_lake.store()
    with pytest.warns(NoLakeWarning, match="There is no lake at '.*': ") as caught, store:
        assert store.resolve_update("transcript").added.is_empty()

    assert len(caught) == 1
    with no_warning():
        with store.open("write"):
            update(store, "video", videos(("a", "1", "1")))
        with store:
            assert len(store.resolve_update("transcript").added) == 1


def test_a_warning_names_the_line_that_opened_the_store(tmp_path: Path) -> None:
    """Whether by a block or by `open`, and not a line of metaxy."""
    with pytest.warns(NoLakeWarning) as entered, delta(tmp_path / "lake"):
        pass
    with pytest.warns(NoLakeWarning) as opened, delta(tmp_path / "lake").open():
        pass
    with delta(tmp_path / "lake").open("write") as store, pytest.warns(NoLakeWarning) as asked:
        store.resolve_update("transcript")

    files = [each.filename for caught in (entered, opened, asked) for each in caught]
    assert files == [__file__, __file__, __file__]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere", "there is no such folder."),
        ("empty", "the folder is empty."),
        ("file", "that is no folder."),
        ("other", "nothing in the folder was written by metaxy."),
    ],
)
def test_a_warning_says_what_is_there_instead(tmp_path: Path, name: str, told: str) -> None:
    """And what the way out is."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()

    with pytest.warns(NoLakeWarning) as caught, delta(tmp_path / name):
        pass

    assert str(caught[0].message) == (
        f"There is no lake at '{tmp_path / name}': {told} It reads as a lake without records. "
        "Check root_path; if the lake is to be a new one, the first write makes it."
    )


@pytest.mark.parametrize(
    ("root", "meant"),
    [
        ("lakes/prodd", "lakes/prod"),
        ("lakes/prod/inner", "lakes/prod"),
        ("lakes", "lakes/prod"),
        ("elsewhere/x", None),
    ],
)
def test_a_lake_near_by_is_named(tmp_path: Path, root: str, meant: str | None) -> None:
    """Of nearly the same name, the folder around, or the only one inside."""
    made(tmp_path / "lakes" / "prod")

    with pytest.warns(NoLakeWarning) as caught, delta(tmp_path / root):
        pass

    asked = None if meant is None else f"Did you mean '{tmp_path / meant}'?"
    assert ("Did you mean" in str(caught[0].message)) is (asked is not None)
    assert asked is None or asked in str(caught[0].message)


def test_an_increment_that_finds_nothing_warns_while_writing(tmp_path: Path) -> None:
    """Once; a root's first records make the lake, what follows from others can't come first."""
    store = delta(tmp_path / "lake")
    with store.open("write"):
        with no_warning():
            assert len(store.resolve_update("video", samples=videos(("a", "1", "1"))).added) == 1
        with pytest.warns(NoLakeWarning):
            store.resolve_update("transcript")
        with no_warning():
            store.resolve_update("transcript")


def test_a_fallback_without_a_lake_is_warned_of(tmp_path: Path) -> None:
    """Also while the store itself is being written to; its own lake may be a new one."""
    store = delta(tmp_path / "new", fallback_stores=[delta(tmp_path / "prod")])

    with pytest.warns(NoLakeWarning) as caught, store.open("write"):
        pass

    assert [str(tmp_path / "prod") in str(each.message) for each in caught] == [True]


def test_records_that_are_not_found_are_told_with_the_reason(tmp_path: Path) -> None:
    """The errors say that there is no lake at all, where that is why."""
    made(tmp_path / "lake")
    told = f"There is no lake at '{tmp_path}/lak': there is no such folder. Did you mean"

    with delta(tmp_path / "lak").open("write") as store:
        with pytest.raises(FeatureNotFoundError, match=told):
            store.read_metadata("video")
        with pytest.raises(SystemDataNotFoundError, match=told):
            store.read_metadata("metaxy-system/tags")


def test_credentials_are_not_shown() -> None:
    """Those in a URI are not in the warning."""
    assert no_lake("s3://me:hunter2@bucket/lake", is_local=False) == (
        "There is no lake at 's3://***@bucket/lake': nothing was ever written there."
    )
