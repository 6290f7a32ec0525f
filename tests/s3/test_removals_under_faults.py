"""Removals, tags and pushes whose requests fail: nothing but what was asked for goes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from deltalake import DeltaTable

from films import films
from metaxy.errors import EventNotRecordedError, MetaxyError, StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.fault_proxy import Fault, FaultProxy
from support.removals import (
    REMOVALS,
    Contents,
    Lakes,
    contents,
    differences,
    downloaded,
    upload,
    without_events,
)
from support.s3_endpoint import S3Endpoint
from support.trials import HURRIED, MANY_FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("s3", ["moto"], indirect=True)]

COMMIT: Final = "*/_delta_log/*.json"
ROWS: Final = "*.parquet"
EVENTS: Final = "*/metaxy-system/events.delta/*"
TRIES: Final = 30


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Lakes:
    """The lake that all removals are from."""
    return Lakes.filled(tmp_path_factory.mktemp("lakes"))


@dataclass(frozen=True)
class Harmed:
    """What came of a removal under faults.

    Attributes:
        error: What was told, and is metaxy's to tell; None for all is well.
        seen: What the lake showed then.
        end: What it showed when the removal had been made again without a fault.
    """

    error: MetaxyError | None
    seen: Contents
    end: Contents


Harm = Callable[..., Harmed]


@pytest.fixture
def harm(lakes: Lakes, proxy: FaultProxy, lake: S3Endpoint, prefix: str, tmp_path: Path) -> Harm:
    """Calling it makes a removal under faults, and again until it has come to its end."""

    def see(name: str) -> Contents:
        return contents(downloaded(lake, prefix, tmp_path / name), versions=lakes.versions)

    def harmed(removal: str, *faults: Fault, tries: int = 1) -> Harmed:
        upload(lakes.folder, lake, prefix)
        shaky = store_at(proxy.endpoint, prefix, **HURRIED)
        error = None
        for seed in range(tries):
            error = made(shaky, removal, proxy, faults, seed=seed)
            if error is None:
                break
        seen = see("seen")
        repeated = made(store_at(lake, prefix), removal, proxy)
        # What is there already can't be tagged again, nor what is gone be untagged.
        assert repeated is None or (removal in {"tag", "untag"} and seen["tags"] != ["kept"])
        end = see("end")
        assert not differences(without_events(end), without_events(lakes.after(removal)))
        return Harmed(error, seen, end)

    return harmed


def store_at(endpoint: S3Endpoint, prefix: str, **options: str) -> DeltaMetadataStore:
    """A store of the graph of films."""
    return DeltaMetadataStore(
        endpoint.uri(prefix), graph=films(), storage_options=endpoint.storage_options() | options
    )


def made(
    store: DeltaMetadataStore,
    removal: str,
    proxy: FaultProxy,
    faults: tuple[Fault, ...] = (),
    *,
    seed: int = 0,
) -> MetaxyError | None:
    """Make a removal while faults strike; give what went wrong, which is metaxy's to tell."""
    try:
        with store.open("write"):
            proxy.set_faults(*faults, seed=seed)
            REMOVALS[removal](store)
    except MetaxyError as error:
        return error
    finally:
        proxy.set_faults()
    return None


UNREADABLE: Final = {
    "hard-deletion": Fault("truncate", "GET", ROWS),
    "purge": Fault("refuse", "GET", ROWS, status=503),
    "soft-deletion": Fault("refuse", "GET", ROWS, status=403),
    "untag": Fault("reset", "GET", ROWS),
    "vacuum": Fault("truncate", "LIST", "*/video.delta/"),
}


@pytest.mark.parametrize(("removal", "fault"), UNREADABLE.items(), ids=UNREADABLE)
def test_a_removal_that_can_not_read_removes_nothing(
    harm: Harm, lakes: Lakes, removal: str, fault: Fault
) -> None:
    """It is an error of metaxy's that says so."""
    harmed = harm(removal, fault)

    assert isinstance(harmed.error, StoreError)
    assert any(
        text in str(harmed.error)
        for text in ("failed, and nothing was", "can't be read", "can't be opened", "was cut off")
    )
    assert not differences(harmed.seen, lakes.before)


def test_a_purge_keeps_an_old_file_that_it_can_not_read(harm: Harm, lakes: Lakes) -> None:
    """It can't tell whether the person is in it, and a tag needs it."""
    table = DeltaTable(lakes.folder / "video.delta", version=1)
    (name,) = (uri.rpartition("/")[2] for uri in table.file_uris())
    harmed = harm("purge", Fault("refuse", "GET", f"*/{name}", status=403))

    assert "Purging 'video' failed, and nothing was removed" in str(harmed.error)
    assert name in str(harmed.error)
    assert not differences(harmed.seen, lakes.before)


@pytest.mark.parametrize(
    "removal", ["hard-deletion", "soft-deletion", "drop", "tag", "untag", "push"]
)
def test_commits_whose_answers_are_lost_are_made_once(
    harm: Harm, lakes: Lakes, removal: str
) -> None:
    """All of them are found, and the log has one event."""
    harmed = harm(removal, Fault("lose_answer", "PUT", COMMIT))

    assert harmed.error is None
    assert not differences(harmed.seen, lakes.after(removal))


@pytest.mark.parametrize("removal", ["hard-deletion", "tag"])
def test_commits_that_are_refused_are_told_as_not_made(
    harm: Harm, lakes: Lakes, removal: str
) -> None:
    """What a server refuses it won't carry out later, so nobody needs to wonder."""
    harmed = harm(removal, Fault("refuse", "PUT", COMMIT, status=403))

    assert type(harmed.error) is StoreError
    assert "failed, and nothing was" in str(harmed.error)
    assert not differences(harmed.seen, lakes.before)


@pytest.mark.parametrize("removal", ["hard-deletion", "purge", "drop", "push"])
def test_an_event_that_can_not_be_recorded_is_told_as_that(
    harm: Harm, lakes: Lakes, removal: str
) -> None:
    """What it would tell of has happened, and nobody is to think that it hasn't."""
    harmed = harm(removal, Fault("refuse", "PUT", EVENTS, status=403))

    assert isinstance(harmed.error, EventNotRecordedError)
    assert "what it tells of has happened, and stays" in str(harmed.error)
    assert harmed.error.kind == lakes.after(removal)["events"][-1]
    if removal == "purge":  # it goes on to the videos when it is repeated
        assert harmed.seen["transcript, rows"] == ["bob", "carol", "dave"]
        assert harmed.end["events"][-1] == "metadata_purged"
    else:
        assert not differences(without_events(harmed.seen), without_events(lakes.after(removal)))


CUT_OFF: Final = {
    "vacuum, files": ("vacuum", Fault("refuse", "POST", status=403)),
    "purge, files": ("purge", Fault("refuse", "DELETE", "*/video.delta/*", status=403)),
    "purge, log": (
        "purge",
        Fault("refuse", "PUT", f"*/video.delta/_delta_log/{2:020}.json", status=403),
    ),
}


@pytest.mark.parametrize(("removal", "fault"), CUT_OFF.values(), ids=CUT_OFF)
def test_a_removal_of_files_that_is_cut_off_is_told_and_repeated(
    harm: Harm, lakes: Lakes, removal: str, fault: Fault
) -> None:
    """What is left is what was there, or is there at its end."""
    harmed = harm(removal, fault)

    assert isinstance(harmed.error, StoreError)
    assert "was cut off, and" in str(harmed.error)
    assert not differences(
        without_events(harmed.seen), without_events(lakes.before), lakes.after(removal)
    )


@pytest.mark.parametrize("removal", ["hard-deletion", "purge", "vacuum", "push"])
def test_under_many_faults_only_what_was_asked_for_goes(
    harm: Harm, lakes: Lakes, removal: str
) -> None:
    """Repeated until it is acknowledged; of what it does an event is there at most once."""
    harmed = harm(removal, *MANY_FAULTS, tries=TRIES)

    assert harmed.error is None
    assert not differences(without_events(harmed.seen), without_events(lakes.after(removal)))
    assert Counter(harmed.seen["events"]) <= Counter(lakes.after(removal)["events"])
