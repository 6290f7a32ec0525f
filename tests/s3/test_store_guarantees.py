"""What writers of a lake on S3 may rely on, whatever happens at the same time."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polars as pl
import pytest
from deltalake import DeltaTable

from films import polars, stored, update, videos
from support.fault_proxy import Fault, FaultKind, FaultProxy
from support.s3_endpoint import S3Endpoint
from support.store_writers import (
    LakePlace,
    in_processes,
    started_writer,
    write_first,
    write_keyed,
    write_many,
    written_once,
    written_with_key,
)

HURRIED = {
    "timeout": "1s",
    "retry_timeout": "4s",
    "max_retries": "3",
    "backoff_config.init_backoff": "10ms",
    "backoff_config.max_backoff": "100ms",
}
FEWER_ON_MOTO = pytest.mark.parametrize(
    ("s3", "writers", "count"), [("moto", 3, 4), ("rgw", 8, 20)], indirect=["s3"]
)


def place_in(endpoint: S3Endpoint, prefix: str, **options: str) -> LakePlace:
    """A lake in a bucket."""
    return LakePlace(endpoint.uri(prefix), endpoint.storage_options() | options)


def table_of(place: LakePlace) -> DeltaTable:
    """The table of videos, past metaxy."""
    return DeltaTable(f"{place.root}/video.delta", storage_options=dict(place.options))


def stored_ids(place: LakePlace) -> Counter[str]:
    """How many rows each video has."""
    with place.store() as store:
        return Counter(stored(store, "video", "id", latest_only=False))


def changed_ids(place: LakePlace) -> Counter[str]:
    """How many rows each video has among all changes of the table."""
    changes = table_of(place).load_cdf(starting_version=0, columns=["id", "_change_type"])
    return Counter(pl.DataFrame(changes)["id"].to_list())


@pytest.mark.slow
@FEWER_ON_MOTO
def test_writers_of_one_new_table_on_s3_lose_nothing(
    lake: S3Endpoint, prefix: str, writers: int, count: int
) -> None:
    """8 processes at once, from no lake on, four adding columns: each write is one commit."""
    place = place_in(lake, prefix)
    results = in_processes(write_many, [(place, writer, count) for writer in range(writers)])
    versions = [each.version for ours in results for each in ours]
    with place.store() as store:
        rows = polars(store.read_metadata("video", latest_only=False))
        samples = videos(*((each, "1", "1") for each in rows["id"]))
        assert store.resolve_update("video", samples=samples).is_empty

    assert Counter(versions) == dict.fromkeys(range(1, writers * count + 1), 1)
    assert Counter(rows["id"]) == {f"{w}-{n}": 1 for w in range(writers) for n in range(count)}
    own = [f"of_{writer}" for writer in range(1, writers, 2)]
    assert rows.select(pl.col(own).count()).row(0) == (count,) * (writers // 2)


@pytest.mark.slow
@pytest.mark.parametrize("s3", ["rgw"], indirect=True)
def test_first_writers_on_s3_agree_on_how_the_lake_hashes(lake: S3Endpoint, prefix: str) -> None:
    """Of racing creators one decides; the others agree or are told."""
    for race in range(2):
        place = place_in(lake, f"{prefix}/{race}")
        algorithms = ["md5", "sha256", "wyhash"] * 2
        told = in_processes(write_first, [(place, n, each) for n, each in enumerate(algorithms)])
        with place.store() as store:
            held = store.hash_settings.algorithm
            written = [int(each) for each in stored(store, "video", "id")]

        assert written == [n for n, each in enumerate(algorithms) if each == held]
        assert [told[n] for n in written] == ["written", "written"]
        assert all(f"recorded {held}" in told[n] for n in set(range(6)) - set(written))


@pytest.mark.slow
@FEWER_ON_MOTO
def test_racing_writers_with_one_key_on_s3_commit_once(
    lake: S3Endpoint, prefix: str, writers: int, count: int
) -> None:
    """Each key by 8 processes is one commit; who comes second is told that it was there."""
    count //= 2
    place = place_in(lake, prefix)
    results = in_processes(write_keyed, [(place, writer, count) for writer in range(writers)])

    for number in range(count):
        outcomes = Counter(each[number] for each in results)
        assert outcomes == {(1, False): 1, (0, True): writers - 1}
    assert stored_ids(place) == {str(number): 1 for number in range(count)}
    assert table_of(place).version() == count


MANY_FAULTS = (
    Fault("lose_answer", operation="PUT", key="*/_delta_log/*.json", probability=0.25),
    Fault("refuse_after", operation="PUT", probability=0.1, status=500),
    Fault("hang_after", operation="PUT", probability=0.03, seconds=2),
    Fault("refuse", probability=0.05, status=503),
    Fault("reset", probability=0.05),
    Fault("truncate", operation="GET", probability=0.03),
)


@pytest.mark.slow
@pytest.mark.parametrize(("s3", "count"), [("moto", 10), ("rgw", 40)], indirect=["s3"])
def test_under_many_faults_no_write_is_lost_or_doubled(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, count: int
) -> None:
    """Acknowledged: once. Refused: not at all. Unknown: at most once. With a key: once."""
    direct = place_in(lake, prefix)
    with direct.store().open("write") as store:
        store.write_metadata("video", videos(("first", "1", "1")))
    through = place_in(proxy.endpoint, prefix, **HURRIED)
    plain = [f"plain-{number}" for number in range(count)]
    keyed = [f"keyed-{number}" for number in range(count)]
    with through.store().open("write") as store, ThreadPoolExecutor(4) as threads:
        proxy.set_faults(*MANY_FAULTS)
        told = dict(zip(plain, threads.map(partial(written_once, store), plain), strict=True))
        list(threads.map(partial(written_with_key, store), keyed))
        proxy.set_faults()
    found = stored_ids(direct)

    struck = {kind for request in proxy.requests() for kind in request.faults}
    assert len(struck) >= 4  # of six: which requests there are is up to the threads
    assert "lose_answer" in struck
    assert Counter(told.values())["acknowledged"] > count / 2
    assert max(found.values()) == 1
    assert {name for name in plain if told[name] == "acknowledged"} <= set(found)
    assert not {name for name in plain if told[name] == "refused"} & set(found)
    assert set(keyed) <= set(found)
    assert changed_ids(direct) == found


KINDS: list[FaultKind] = ["refuse", "refuse_after", "reset", "lose_answer", "truncate"]


@pytest.mark.slow
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_request_of_a_write_does_no_harm(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, kind: FaultKind
) -> None:
    """At the first, second, third request and so on, with a handle that was kept and without."""
    direct = place_in(lake, prefix)
    with direct.store().open("write") as store:
        store.write_metadata("video", videos(("first", "1", "1")))
    place = place_in(proxy.endpoint, prefix, **HURRIED)
    told: dict[str, str] = {}
    with place.store().open("write") as kept:
        kept.write_metadata("video", videos(("second", "1", "1")))
        for nth in range(1, 9):
            proxy.set_faults(Fault(kind, nth=nth, status=503))
            told[f"kept-{nth}"] = written_once(kept, f"kept-{nth}")
            proxy.set_faults()
    for nth in range(5, 16, 2):
        with place.store().open("write") as fresh:
            proxy.set_faults(Fault(kind, nth=nth, status=503))
            told[f"fresh-{nth}"] = written_once(fresh, f"fresh-{nth}")
            proxy.set_faults()
    found = stored_ids(direct)

    expected = {"first", "second"} | {n for n, what in told.items() if what == "acknowledged"}
    assert max(found.values()) == 1
    assert expected <= set(found)
    assert not {name for name, what in told.items() if what == "refused"} & set(found)
    assert changed_ids(direct) == found
    if kind != "truncate":  # which delta-rs doesn't try again
        assert set(told.values()) == {"acknowledged"}


@pytest.mark.slow
@pytest.mark.parametrize(("s3", "kills"), [("rgw", 12)], indirect=["s3"])
def test_a_killed_writer_on_s3_leaves_what_it_acknowledged(
    lake: S3Endpoint, prefix: str, kills: int
) -> None:
    """All acknowledged writes are there, at most one more a kill, and no others."""
    place = place_in(lake, prefix)
    moments = random.Random(20)  # noqa: S311 -- spreads the kills
    known: set[str] = set()
    for kill in range(kills):
        start = 1000 * kill
        with started_writer(place, start) as killed_after:
            acknowledged = killed_after(moments.uniform(0.0, 1.0))

        assert acknowledged == list(range(start, start + len(acknowledged)))
        with place.store() as store:
            has = store.has_feature("video")
            now = stored(store, "video", "id", latest_only=False) if has else []
        sure = {str(each) for each in acknowledged}
        fresh = set(now) - known
        assert len(now) == len(set(now))
        assert known <= set(now)
        assert sure <= fresh
        assert fresh - sure <= {str(start + len(acknowledged))}
        known = set(now)

    assert len(known) > kills
    with place.store().open("write") as store:
        assert update(store, "transcript") == [len(known), 0, 0]
        assert update(store, "transcript") == [0, 0, 0]
