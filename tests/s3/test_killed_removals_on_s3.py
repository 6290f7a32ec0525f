"""Removals that are killed on S3: nothing else goes, and repeating ends them."""

import time
from collections import Counter
from pathlib import Path

import pytest

from support.dying_removals import LONGEST_S, started_removal
from support.fault_proxy import Fault, FaultProxy
from support.removals import (
    REMOVALS,
    Lakes,
    contents,
    differences,
    downloaded,
    upload,
    without_events,
)
from support.s3_endpoint import S3Endpoint
from support.trials import place_in

CHANGES = "[PD]*"
"""The operations that change something: PUT, POST and DELETE."""


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Lakes:
    """The lake that all removals are from."""
    return Lakes.filled(tmp_path_factory.mktemp("lakes"))


def _await_strike(proxy: FaultProxy) -> None:
    """Wait until the request that is to hang was carried out."""
    deadline = time.monotonic() + LONGEST_S
    while not any(each.faults and each.status for each in proxy.requests()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
@pytest.mark.parametrize(
    ("removal", "changes"),
    [("hard-deletion", range(1, 5)), ("vacuum", range(1, 4)), ("purge", range(2, 22, 7))],
)
def test_a_removal_that_is_killed_after_a_change_is_ended_when_repeated(
    lakes: Lakes,
    proxy: FaultProxy,
    lake: S3Endpoint,
    prefix: str,
    tmp_path: Path,
    removal: str,
    changes: range,
) -> None:
    """The server has carried out so many changes, and the process dies before it knows."""
    before, after = lakes.before, lakes.after(removal)
    for change in changes:
        place, name = place_in(lake, f"{prefix}/{change}"), f"{prefix}/{change}"
        upload(lakes.folder, lake, name)
        proxy.forget_requests()
        proxy.set_faults(Fault("hang_after", CHANGES, nth=change, seconds=LONGEST_S))
        with started_removal(place_in(proxy.endpoint, name), removal) as running:
            _await_strike(proxy)
            running.kill()
            assert not running.is_done()
        proxy.set_faults()

        seen = contents(downloaded(lake, name, tmp_path / f"{change}"), versions=lakes.versions)
        assert not differences(without_events(seen), without_events(before), after)
        assert Counter(seen["events"]) <= Counter(after["events"])
        with place.store().open("write") as store:
            REMOVALS[removal](store)
        end = contents(downloaded(lake, name, tmp_path / f"{change} end"), versions=lakes.versions)
        assert not differences(without_events(end), without_events(after))
