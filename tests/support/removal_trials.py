"""Trials of removals: killed at random, and under many faults; repeated, they must end.

Tests run them with few rounds, and `benchmarks/reliability.py` with as many as one likes.
"""

import random
import shutil
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Final

from metaxy.errors import MetaxyError
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.dying_removals import started_removal
from support.fault_proxy import FaultProxy
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
from support.store_writers import LakePlace
from support.trials import HURRIED, MANY_FAULTS

_TRIES: Final = 60


@dataclass(frozen=True)
class RemovalTally:
    """What a trial came to.

    Attributes:
        rounds: Removals, each from a lake of its own.
        attempts: It took so many to get them acknowledged.
        faults: Requests that were harmed.
        kills: Processes that were killed before their removal was acknowledged.
        wrong: What was otherwise than before and than after a removal that goes well, or wasn't at
            its end when the removal was repeated.
    """

    rounds: int
    attempts: int
    faults: int = 0
    kills: int = 0
    wrong: tuple[str, ...] = ()


def try_killed_removals(lakes: Lakes, removal: str, *, rounds: int, seed: int = 8) -> RemovalTally:
    """Kill a removal at a random moment, look at the lake, repeat the removal, and look again."""
    moments = random.Random(seed)  # noqa: S311 -- spreads the kills
    longest_s = _seconds(lakes, removal)
    kills = 0
    wrong: list[str] = []
    for _ in range(rounds):
        root = lakes.folder.with_name(uuid.uuid4().hex)
        shutil.copytree(lakes.folder, root)
        place = LakePlace(str(root))
        with started_removal(place, removal) as running:
            time.sleep(moments.uniform(0.0, longest_s))
            running.kill()
            is_made = running.is_done()
        kills += not is_made
        seen = contents(root, versions=lakes.versions)
        wrong += faults_between(lakes, removal, seen, is_made=is_made)
        with place.store().open("write") as store:
            REMOVALS[removal](store)
        wrong += faults_at_end(lakes, removal, contents(root, versions=lakes.versions))
        shutil.rmtree(root)
    return RemovalTally(rounds, rounds + kills, kills=kills, wrong=tuple(wrong))


def try_removals_under_faults(
    lakes: Lakes, removal: str, proxy: FaultProxy, lake: S3Endpoint, *, rounds: int
) -> RemovalTally:
    """Make a removal under many faults until it is acknowledged, and look at the lake."""
    attempts = 0
    wrong: list[str] = []
    proxy.forget_requests()
    for _ in range(rounds):
        prefix = uuid.uuid4().hex
        upload(lakes.folder, lake, prefix)
        place = LakePlace(proxy.endpoint.uri(prefix), proxy.endpoint.storage_options() | HURRIED)
        first = attempts
        while attempts - first < _TRIES:
            attempts += 1
            if _acknowledged(place.store(), removal, proxy, seed=attempts):
                break
        folder = downloaded(lake, prefix, lakes.folder.with_name(prefix))
        wrong += faults_at_end(lakes, removal, contents(folder, versions=lakes.versions))
        shutil.rmtree(folder)
    faults = sum(bool(request.faults) for request in proxy.requests())
    return RemovalTally(rounds, attempts, faults=faults, wrong=tuple(wrong))


def faults_between(lakes: Lakes, removal: str, seen: Contents, *, is_made: bool) -> list[str]:
    """What a removal that was cut off has left otherwise than before and than after a whole one."""
    before, after = lakes.before, lakes.after(removal)
    if is_made:
        return list(differences(seen, after))
    events: list[str] = seen["events"]
    extra = Counter(events) - Counter[str](after["events"])
    return [*differences(without_events(seen), without_events(before), after), *extra]


def faults_at_end(lakes: Lakes, removal: str, seen: Contents) -> list[str]:
    """What isn't as it is after a removal that goes well; an event may be lacking."""
    after = lakes.after(removal)
    return list(differences(without_events(seen), without_events(after)))


def _seconds(lakes: Lakes, removal: str) -> float:
    """How long a process takes to remove something, and to end."""
    root = lakes.folder.with_name(uuid.uuid4().hex)
    shutil.copytree(lakes.folder, root)
    with started_removal(LakePlace(str(root)), removal) as running:
        begun = time.monotonic()
        assert running.is_done()
        return time.monotonic() - begun


def _acknowledged(store: DeltaMetadataStore, removal: str, proxy: FaultProxy, *, seed: int) -> bool:
    try:
        with store.open("write"):
            proxy.set_faults(*MANY_FAULTS, seed=seed)
            REMOVALS[removal](store)
    except MetaxyError:
        return False
    finally:
        proxy.set_faults()
    return True
