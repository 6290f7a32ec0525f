"""Purges and vacuums that are killed: nothing else goes, and repeating ends them."""

import shutil

import pytest

from support.dying_removals import started_removal
from support.removal_trials import faults_at_end, faults_between, try_killed_removals
from support.removals import REMOVALS, Lakes, contents, differences
from support.store_writers import LakePlace

RANDOM_KILLS = 6
PURGE_STEPS = 14


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Lakes:
    """The lake that all removals are from."""
    return Lakes.filled(tmp_path_factory.mktemp("lakes"))


def test_only_what_was_asked_for_goes(lakes: Lakes) -> None:
    """What killed removals, and those under faults on S3, are compared with; written out."""
    everyone = ["alice", "bob", "carol", "dave"]
    before = lakes.before
    assert before["video, rows"] == ["alice", "carol", "dave", "erin"]
    assert before["transcript, rows"] == everyone
    past = [before[f"video, {version}"] for version in range(4)]
    assert past == [[], ["bob", "carol"], everyone, everyone]
    assert before["video, as tagged"] == before["transcript, as tagged"] == ["bob", "carol"]
    rest = {"video, rows": ["carol", "dave", "erin"], "video, current": ["carol", "dave", "erin"]}
    events = before["events"]

    assert differences(lakes.after("hard-deletion"), before) == {
        **rest,
        "events": [*events, "metadata_deleted"],
    }
    assert differences(lakes.after("vacuum"), before) == {"video, 2": "gone", "video, 3": "gone"}
    assert differences(lakes.after("purge"), before) == {
        **rest,
        **{f"video, {version}": "gone" for version in range(2, 7)},
        "transcript, rows": everyone[1:],
        "transcript, current": everyone[1:],
        "transcript, 2": "gone",
        "events": [*events, "metadata_purged", "metadata_purged"],
    }


@pytest.mark.slow
def test_a_purge_that_is_killed_before_any_of_its_steps_is_ended_when_repeated(
    lakes: Lakes,
) -> None:
    """Of the rewrites, checkpoints, commits that are scrubbed, files that go, and events."""
    for step in range(1, PURGE_STEPS + 2):
        root = lakes.folder.with_name(f"purge {step}")
        shutil.copytree(lakes.folder, root)
        place = LakePlace(str(root))
        with started_removal(place, "purge", dies_before=step) as running:
            is_made = running.is_done()
        assert is_made == (step > PURGE_STEPS)

        seen = contents(root, versions=lakes.versions)
        assert not faults_between(lakes, "purge", seen, is_made=is_made)
        with place.store().open("write") as store:
            REMOVALS["purge"](store)
        assert not faults_at_end(lakes, "purge", contents(root, versions=lakes.versions))


@pytest.mark.slow
@pytest.mark.parametrize("removal", ["purge", "vacuum"])
def test_a_removal_that_is_killed_at_random_is_ended_when_repeated(
    lakes: Lakes, removal: str
) -> None:
    """At moments that no step of ours is at, such as within delta-rs."""
    tally = try_killed_removals(lakes, removal, rounds=RANDOM_KILLS)

    assert not tally.wrong
