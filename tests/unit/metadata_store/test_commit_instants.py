"""What the log tells of the instants of a table's rows."""

from typing import Any

from metaxy.metadata_store.commits import instants_us

CREATION = {"operation": "CREATE TABLE"}


def _write(instant: int, version: str = "v1") -> dict[str, Any]:
    return {
        "operation": "WRITE",
        "metaxy_created_at_us": str(instant),
        "metaxy_feature_version": version,
    }


def test_the_instants_of_one_feature_version_are_told() -> None:
    """Compaction moves rows about, but adds none."""
    history = [_write(3, "v2"), {"operation": "OPTIMIZE"}, _write(2), _write(1), CREATION]

    assert sorted(instants_us(history, feature_version="v1") or ()) == [1, 2]
    assert instants_us(history, feature_version="v2") == (3,)


def test_commits_that_share_an_instant_are_not_told_apart() -> None:
    """Racing writers may leave such commits behind; their rows must be compared one by one."""
    history = [_write(1), _write(1), CREATION]

    assert instants_us(history, feature_version="v1") is None
    assert instants_us([_write(1), _write(1, "v2"), CREATION], feature_version="v1") == (1,)


def test_commits_of_other_programs_and_a_lost_beginning_tell_nothing() -> None:
    """Any of their rows may have any instant."""
    assert instants_us([{"operation": "WRITE"}, _write(1), CREATION], feature_version="v1") is None
    assert instants_us([{"operation": "MERGE"}, _write(1), CREATION], feature_version="v1") is None
    assert instants_us([_write(2), _write(1)], feature_version="v1") is None
