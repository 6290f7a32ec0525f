"""Writers that are killed at any moment leave a lake that reads, and is whole."""

from pathlib import Path

import pytest

from films import update, videos
from support.store_writers import LakePlace
from support.trials import stored_ids, table_of, try_kills


@pytest.mark.slow
def test_killed_writers_leave_what_they_acknowledged(tmp_path: Path) -> None:
    """204 kills, 3 writers at a time: all acknowledged writes, at most one more each, no others."""
    place = LakePlace(str(tmp_path))
    tally = try_kills(place, writers=3, rounds=68, longest_s=0.6)

    assert tally.kills == 204
    assert tally.acknowledged > 204
    assert tally.is_sound, tally
    known = stored_ids(place)
    assert table_of(place).version() == len(known)
    with place.store().open("write") as store:
        samples = videos(*((each, "1", "1") for each in (*known, "more")))
        increment = store.resolve_update("video", samples=samples)
        assert (len(increment.added), len(increment.changed)) == (1, 0)
        assert increment.removed.is_empty()
        assert update(store, "transcript") == [len(known), 0, 0]
        assert update(store, "transcript") == [0, 0, 0]
