"""What delta-rs does on S3, as far as metaxy's promises rest on it: races, faults, requests."""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Final

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from support.delta_writers import (
    Place,
    append_batches,
    append_once,
    batch_of,
    create,
    create_with_own_column,
    in_processes,
)
from support.fault_proxy import Fault, FaultProxy
from support.s3_endpoint import S3Endpoint
from support.s3_servers import S3Server

CONFIGURATION: Final = {
    "delta.appendOnly": "true",
    "delta.enableChangeDataFeed": "true",
    "delta.checkpointInterval": "20",
}
QUICK_RETRIES: Final = {
    "backoff_config.init_backoff": "10ms",
    "backoff_config.max_backoff": "100ms",
    "timeout": "10s",
}
_log = logging.getLogger(__name__)
COMMITS: Final = "*/_delta_log/*.json"


def place_in(endpoint: S3Endpoint, prefix: str) -> Place:
    """A table in a bucket."""
    return Place(endpoint.uri(prefix), endpoint.storage_options())


def new_table(endpoint: S3Endpoint, prefix: str, *, commits: int = 0) -> Place:
    """A table with so many appends of one row."""
    place = place_in(endpoint, prefix)
    assert create(place, configuration=CONFIGURATION)
    table = place.open()
    for number in range(commits):
        write_deltalake(table, batch_of(f"batch-{number}", rows=1), mode="append")
    return place


def batches_in(table: DeltaTable) -> Counter[str]:
    """How many rows each batch has in a snapshot."""
    return Counter(pl.scan_delta(table).collect()["batch"].to_list())


def batches_among_changes(table: DeltaTable) -> Counter[str]:
    """How many rows each batch has among all changes since the first append."""
    changes = pl.DataFrame(table.load_cdf(starting_version=1))
    return Counter(changes["batch"].to_list())


def test_of_six_creators_one_creates(lake: S3Endpoint, prefix: str) -> None:
    """With no retries a table has one CREATE, and the schema of the one that was told yes."""
    barrier = Barrier(6)
    for number in range(5):
        place = place_in(lake, f"{prefix}/{number}")

        def race(column: str, place: Place = place) -> bool:
            barrier.wait()
            return create_with_own_column((place, column))

        columns = list("abcdef")
        with ThreadPoolExecutor(6) as threads:
            created = list(threads.map(race, columns))
        table = place.open()

        assert created.count(True) == 1
        assert [entry["operation"] for entry in table.history()] == ["CREATE TABLE"]
        assert [field.name for field in table.schema().fields] == [columns[created.index(True)]]


@pytest.mark.slow
@pytest.mark.parametrize(("s3", "appends"), [("moto", 4), ("rgw", 20)], indirect=["s3"])
def test_eight_processes_lose_no_append(lake: S3Endpoint, prefix: str, appends: int) -> None:
    """Each append of each process is one commit, whoever else commits at the time."""
    place = new_table(lake, prefix)
    batches = [[f"{process}-{number}" for number in range(appends)] for process in range(8)]
    acknowledged = in_processes(append_batches, [(place, own) for own in batches], processes=8)
    table = place.open()

    assert acknowledged == [appends] * 8
    assert table.version() == 8 * appends
    assert batches_in(table) == {batch: 1 for own in batches for batch in own}
    assert batches_among_changes(table) == {batch: 1 for own in batches for batch in own}


def test_a_batch_that_many_append_is_there_once(lake: S3Endpoint, prefix: str) -> None:
    """Of eight writers with the same batches, one writes each and seven see it."""
    place = new_table(lake, prefix)
    batches = [f"batch-{number}" for number in range(5)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(
            threads.map(append_once, [(place, batch, 3) for batch in batches for _ in range(8)])
        )
    table = place.open()

    assert outcomes.count("written") >= 5
    assert table.version() == 5
    assert batches_in(table) == dict.fromkeys(batches, 3)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lose_answer", operation="PUT", key=COMMITS, nth=1),
        Fault("refuse_after", operation="PUT", key=COMMITS, nth=1, status=500),
        Fault("hang_after", operation="PUT", key=COMMITS, nth=1, seconds=3),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_commit_without_an_answer_is_found_again(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, fault: Fault
) -> None:
    """A commit that landed, unknown to its writer, is not made a second time."""
    new_table(lake, prefix)
    proxy.set_faults(fault)
    place = place_in(proxy.endpoint, prefix)
    impatient = replace(place, options={**place.options, **QUICK_RETRIES, "timeout": "1s"})

    outcome = append_once((impatient, "batch", 3))

    assert outcome == "written"
    assert any(fault.kind in request.faults for request in proxy.requests())
    table = place_in(lake, prefix).open()
    assert table.version() == 1
    assert batches_in(table) == {"batch": 3}
    assert batches_among_changes(table) == {"batch": 3}


@pytest.mark.slow
@pytest.mark.parametrize(("s3", "count"), [("moto", 10), ("rgw", 40)], indirect=["s3"])
def test_under_many_faults_each_batch_is_there_once(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, count: int
) -> None:
    """Four writers, every request in danger: nothing is lost, nothing doubled."""
    new_table(lake, prefix)
    proxy.set_faults(
        Fault("lose_answer", operation="PUT", key=COMMITS, probability=0.25),
        Fault("refuse_after", operation="PUT", probability=0.1, status=500),
        Fault("refuse", probability=0.05, status=503),
        Fault("reset", probability=0.05),
        Fault("truncate", operation="GET", probability=0.05),
    )
    place = place_in(proxy.endpoint, prefix)
    hurried = replace(place, options={**place.options, **QUICK_RETRIES})
    batches = [f"batch-{number}" for number in range(count)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(append_once, [(hurried, batch, 5) for batch in batches]))
    struck = Counter(kind for request in proxy.requests() for kind in request.faults)
    table = place_in(lake, prefix).open()

    assert len(struck) >= 3  # of five: which requests there are is up to the threads
    assert struck["lose_answer"]
    assert table.version() == count
    assert batches_in(table) == dict.fromkeys(batches, 5)
    assert batches_among_changes(table) == dict.fromkeys(batches, 5)


@pytest.mark.parametrize("commits", [25, pytest.param(100, marks=pytest.mark.slow)])
def test_a_kept_handle_saves_the_requests_of_opening(
    proxy: FaultProxy,
    lake: S3Endpoint,
    prefix: str,
    commits: int,
) -> None:
    """What operations cost in requests: the bounds leave room, `--log-cli-level=info` tells."""
    new_table(lake, prefix, commits=commits)
    place = place_in(proxy.endpoint, prefix)

    def requests_of(name: str, operation: Callable[[], object]) -> int:
        proxy.forget_requests()
        operation()
        counts = proxy.counts()
        _log.info("%s at %d commits: %d, %s", name, commits, counts.total(), dict(counts))
        return counts.total()

    opened = requests_of("open", place.open)
    kept = place.open()
    write_deltalake(place_in(lake, prefix).open(), batch_of("other", rows=1), mode="append")
    updated = requests_of("update", kept.update_incremental)
    looked = requests_of("transaction_version", lambda: kept.transaction_version("batch-1"))
    latest = requests_of("history(1)", lambda: kept.history(1))
    scanned = requests_of("scan", lambda: pl.scan_delta(kept).collect())
    found = requests_of(
        "filtered scan",
        lambda: pl.scan_delta(kept).filter(pl.col("batch") == "batch-1").collect(),
    )
    appended = requests_of(
        "append", lambda: write_deltalake(kept, batch_of("own", rows=1), mode="append")
    )

    assert opened <= 40
    assert updated <= 3
    assert looked <= 30
    assert latest <= 3
    assert scanned <= commits + 5
    assert found <= 2
    assert appended <= 8


def test_a_reader_and_strangers_of_a_public_bucket_can_read_tables(
    rgw: S3Server, prefix: str
) -> None:
    """Who may list and get can open a table and scan it, and is refused an append."""
    assert rgw.reader is not None
    for owner, reader in [(rgw.owner, rgw.reader), (rgw.public, rgw.public.anonymous())]:
        new_table(owner, prefix, commits=2)
        table = place_in(reader, prefix).open()

        assert batches_in(table) == {"batch-0": 1, "batch-1": 1}
        with pytest.raises(DeltaError, match="403 Forbidden"):
            write_deltalake(table, batch_of("mine", rows=1), mode="append")
