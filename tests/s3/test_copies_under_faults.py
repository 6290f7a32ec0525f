"""Copies to S3, and within it, whose requests fail: repeated, they copy every row once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from films import films, polars, update, videos
from metaxy.errors import CopyError, MetaxyError
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.fault_proxy import Fault, FaultKind, FaultProxy
from support.s3_endpoint import S3Endpoint
from support.trials import HURRIED, MANY_FAULTS

FEATURES = ("video", "transcript")
TRIES = 60
BY_KIND = pytest.mark.parametrize("history", [False, True], ids=["rows", "history"])


def local(folder: Path) -> DeltaMetadataStore:
    """A lake on the disk."""
    return DeltaMetadataStore(folder, graph=films())


def remote(endpoint: S3Endpoint, prefix: str, **options: str) -> DeltaMetadataStore:
    """A lake in a bucket."""
    return DeltaMetadataStore(
        endpoint.uri(prefix),
        graph=films(),
        storage_options=endpoint.storage_options() | options,
    )


def fill(store: DeltaMetadataStore, number: int) -> None:
    """Write, change and delete some records, with a column that there wasn't."""
    names = [f"{number}-{each}" for each in range(20)]
    new = {f"column_{number}": [number] * 20}
    with store.open("write"):
        store.write_metadata("video", videos(*((each, "1", "1") for each in names), **new))
        store.write_metadata("video", videos(("changing", str(number), "1")))
        store.delete_metadata("video", filters=[f"id = '{names[0]}'"])
        update(store, "transcript")


def rows(store: DeltaMetadataStore, feature: str) -> Counter[Any]:
    """How often each row is there, with all of its columns."""
    with store:
        found = store.read_metadata_in_store(feature)
    frame = pl.DataFrame() if found is None else polars(found)
    return Counter(map(repr, frame.select(sorted(frame.columns)).rows()))


def changes(store: DeltaMetadataStore, endpoint: S3Endpoint, feature: str) -> Counter[Any]:
    """How often each row is among all changes of a table."""
    table = DeltaTable(store.table_path(feature), storage_options=endpoint.storage_options())
    found = table.load_cdf(starting_version=0, columns=["id", "metaxy_created_at", "_change_type"])
    return Counter(pl.DataFrame(found).select("id", "metaxy_created_at").rows())


def tries(copy: Callable[[], object]) -> int:
    """Copy again until that is acknowledged; how many tries it took."""
    for number in range(1, TRIES):
        try:
            copy()
        except MetaxyError:
            continue
        return number
    raise AssertionError


def copied(source: DeltaMetadataStore, target: DeltaMetadataStore, *, history: bool) -> None:
    """Copy what is lacking, between stores that are opened for it."""
    with source, target.open("write"):
        target.copy_metadata(source, history=history)


def assert_copied(source: DeltaMetadataStore, target: DeltaMetadataStore) -> None:
    """Every row is there as often as in the source, which is once, and no other."""
    for feature in FEATURES:
        wanted = rows(source, feature)
        assert set(wanted.values()) == {1}
        assert rows(target, feature) == wanted


@pytest.mark.slow
@BY_KIND
@pytest.mark.parametrize("origin", ["disk", "s3"])
@pytest.mark.parametrize(("s3", "rounds"), [("moto", 1), ("rgw", 2)], indirect=["s3"])
def test_a_copy_under_many_faults_has_every_row_once(
    proxy: FaultProxy,
    lake: S3Endpoint,
    prefix: str,
    tmp_path: Path,
    *,
    history: bool,
    origin: str,
    rounds: int,
) -> None:
    """From the disk and from S3: what is acknowledged, after however many tries, is whole."""
    quiet = local(tmp_path / "source") if origin == "disk" else remote(lake, f"{prefix}/source")
    there = remote(lake, f"{prefix}/target")
    shaky = remote(proxy.endpoint, f"{prefix}/target", **HURRIED)
    source = quiet if origin == "disk" else remote(proxy.endpoint, f"{prefix}/source", **HURRIED)
    for number in range(rounds):
        fill(quiet, number)
        proxy.set_faults(*MANY_FAULTS, seed=number)
        tries(lambda: copied(source, shaky, history=history))
        proxy.set_faults()

        assert_copied(quiet, there)
        for feature in FEATURES:
            assert set(changes(there, lake, feature).values()) == {1}
    struck = {kind for request in proxy.requests() for kind in request.faults}
    assert len(struck) >= 4  # of six: which requests there are is up to the threads


KINDS: list[FaultKind] = ["refuse", "refuse_after", "reset", "lose_answer", "truncate"]


@pytest.mark.slow
@BY_KIND
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_request_of_a_copy_does_no_harm(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, kind: FaultKind, *, history: bool
) -> None:
    """Every twentieth fails, of the source's, too; which of the twenty changes."""
    quiet, source = remote(lake, f"{prefix}/source"), remote(proxy.endpoint, f"{prefix}/source")
    fill(quiet, 0)
    for first in (1, 6, 11, 16):
        there = remote(lake, f"{prefix}/{first}")
        shaky = remote(proxy.endpoint, f"{prefix}/{first}", **HURRIED)
        proxy.set_faults(*(Fault(kind, nth=nth, status=503) for nth in range(first, 200, 20)))
        tries(lambda shaky=shaky: copied(source, shaky, history=history))
        proxy.set_faults()

        assert_copied(quiet, there)


@BY_KIND
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_a_source_that_can_not_be_read_is_told(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, *, history: bool
) -> None:
    """As any other copy that fails, though it is before the first feature."""
    fill(remote(lake, f"{prefix}/source"), 0)
    source, target = (remote(proxy.endpoint, f"{prefix}/{name}") for name in ("source", "target"))
    proxy.set_faults(Fault("refuse", "GET", "*/source/video.delta/*.parquet", status=403))
    with pytest.raises(CopyError, match=r"Copying from .*/source\) to .*/target\) failed"):
        copied(source, target, history=history)
    with target:
        assert not target.list_features()


@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_a_file_that_can_not_be_read_to_its_end_is_copied_later(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str
) -> None:
    """Nothing is left of it that would look like another table's file."""
    quiet, target = remote(lake, f"{prefix}/source"), remote(lake, f"{prefix}/target")
    fill(quiet, 0)
    source = remote(proxy.endpoint, f"{prefix}/source")
    files = "*/source/video.delta/*.parquet"
    # The first is to see whether there are rows at all.
    proxy.set_faults(*(Fault("refuse", "GET", files, nth=n, status=403) for n in range(3, 99)))
    with pytest.raises(CopyError, match=r"Copying 'video' from .* failed: Forbidden"):
        copied(source, target, history=True)
    proxy.set_faults()
    copied(source, target, history=True)

    assert_copied(quiet, target)
