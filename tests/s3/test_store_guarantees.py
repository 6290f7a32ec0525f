"""What writers of a lake on S3 may rely on, whatever happens at the same time."""

from collections import Counter

import polars as pl
import pytest

from films import polars, stored, update, videos
from support.fault_proxy import Fault, FaultKind, FaultProxy
from support.s3_endpoint import S3Endpoint
from support.store_writers import in_processes, write_first, write_keyed, written_once
from support.trials import (
    HURRIED,
    changed_ids,
    place_in,
    stored_ids,
    table_of,
    try_appends,
    try_faults,
    try_kills,
)

FEWER_ON_MOTO = pytest.mark.parametrize(
    ("s3", "writers", "count"), [("moto", 3, 4), ("rgw", 8, 20)], indirect=["s3"]
)


@pytest.mark.slow
@pytest.mark.parametrize(("s3", "count"), [("moto", 4), ("rgw", 20)], indirect=["s3"])
def test_writers_of_one_new_table_on_s3_lose_nothing(
    lake: S3Endpoint, prefix: str, count: int
) -> None:
    """Eight, from no lake on, every other one adding columns: each write is one commit."""
    place = place_in(lake, prefix)
    tally = try_appends(place, writers=8, count=count, columns=2)
    with place.store() as store:
        rows = polars(store.read_metadata("video", latest_only=False))
        samples = videos(*((each, "1", "1") for each in rows["id"]))
        assert store.resolve_update("video", samples=samples).is_empty

    assert (tally.acknowledged, tally.is_sound) == (8 * count, True)
    assert table_of(place).version() == 8 * count
    own = [f"of_{writer}_{column}" for writer in range(1, 8, 2) for column in range(2)]
    assert rows.select(pl.col(own).count()).row(0) == (count // 2,) * 8


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


@pytest.mark.slow
@pytest.mark.parametrize(("s3", "count"), [("moto", 10), ("rgw", 80)], indirect=["s3"])
def test_under_many_faults_no_write_is_lost_or_doubled(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str, count: int
) -> None:
    """Acknowledged: once. Refused: not at all. Unknown: at most once. With a key: once."""
    tally = try_faults(proxy, lake, prefix, count=count)

    struck = {kind for request in proxy.requests() for kind in request.faults}
    assert len(struck) >= 4  # of six: which requests there are is up to the threads
    assert "lose_answer" in struck
    assert tally.faults > count
    assert tally.acknowledged > 1.5 * count
    assert tally.is_sound, tally


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
@pytest.mark.parametrize("s3", ["rgw"], indirect=True)
def test_killed_writers_on_s3_leave_what_they_acknowledged(lake: S3Endpoint, prefix: str) -> None:
    """All acknowledged writes are there, at most one more a kill, and no others."""
    place = place_in(lake, prefix)
    tally = try_kills(place, writers=3, rounds=8, longest_s=2.0)

    assert tally.kills == 24
    assert tally.acknowledged > 24
    assert tally.is_sound, tally
    known = len(stored_ids(place))
    with place.store().open("write") as store:
        assert update(store, "transcript") == [known, 0, 0]
        assert update(store, "transcript") == [0, 0, 0]
