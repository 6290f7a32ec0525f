"""`metaxy history`, `diff`, `tag` and `--at`."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli_project import Cli, Compute, WriteRoot, writable
from metaxy.cli.moment import MomentType

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.fixture
def lake(project: Path, metaxy: Cli, write_root: WriteRoot, compute: Compute) -> Path:
    """`video` has three commits, and the tag `first` from before the last; `video/crop` one."""
    write_root(a="1", b="1")
    compute("video/crop")
    assert metaxy("tag", "first", "-m", "As sold.").code == 0
    write_root(a="2", c="1")
    return project


def test_history_lists_commits(lake: Path, metaxy: Cli) -> None:
    """The newest first, with what each says of itself."""
    del lake
    ended, limited = metaxy("history", "video"), metaxy("history", "video", "--limit", "1")

    lines = TIME.sub("TIME", ended.out).splitlines()
    assert ended.code == 0
    assert " ".join(lines[0].split()) == "version committed operation rows feature version run by"
    assert [line.split()[:4] for line in lines[1:]] == [
        ["2", "TIME", "write", "2"],
        ["1", "TIME", "write", "2"],
        ["0", "TIME", "CREATE", "TABLE"],
    ]
    assert len(limited.out.splitlines()) == 2


def test_history_as_json(lake: Path, metaxy: Cli) -> None:
    """All that is known of each commit."""
    del lake
    told = metaxy("history", "video", "--json").data

    assert (told["store"], told["feature"]) == ("dev", "video")
    assert [each["version"] for each in told["commits"]] == [2, 1, 0]
    assert list(told["commits"][0]) == [
        "version",
        "committed_at",
        "operation",
        "rows",
        "materialization_id",
        "feature_version",
        "snapshot_version",
        "idempotency_key",
        "engine",
    ]


def test_a_feature_without_a_table_has_no_history(lake: Path, metaxy: Cli) -> None:
    """An error, like that of any unknown name."""
    del lake
    ended = metaxy("history", "video/faces")

    assert ended.code == 1
    assert "No records of 'video/faces' were ever written" in ended.err


def test_a_misspelt_feature_has_no_history(lake: Path, metaxy: Cli) -> None:
    """The nearest one is named."""
    del lake
    ended = metaxy("history", "video/crops")

    assert ended.code == 1
    assert ended.err.endswith(" for what is there. Did you mean 'video/crop'?\n")


def test_a_time_is_told_by_the_clock_on_the_wall(lake: Path, metaxy: Cli) -> None:
    """As in tables; a table that wasn't there then had no records."""
    del lake
    ended = metaxy("diff", "video", "2020-01-02", "2020-01-03T04:05:06")

    assert ended.out == "No difference between 2020-01-02 00:00:00 and 2020-01-03 04:05:06.\n"


def test_diff_tells_records_apart(lake: Path, metaxy: Cli) -> None:
    """The exit code says whether there is a difference."""
    del lake
    ended = metaxy("diff", "video", "first", "2")
    same = metaxy("diff", "video", "1", "first")
    cut = metaxy("diff", "video", "0", "--limit", "1")

    assert (ended.code, same.code, cut.code) == (2, 0, 2)
    assert ended.out.splitlines() == [
        "first -> 2: 1 record added, 1 changed, 0 removed",
        "+ c",
        "~ a",
    ]
    assert same.out == "No difference between 1 and first.\n"
    assert cut.out.splitlines() == [
        "0 -> 2: 3 records added, 0 changed, 0 removed",
        "+ a",
        "+ … and 2 more",
    ]


def test_diff_as_json(lake: Path, metaxy: Cli) -> None:
    """Counts, and the ids."""
    del lake
    told = metaxy("diff", "video", "1", "2", "--json")

    assert told.code == 2
    assert told.data == {
        "store": "dev",
        "feature": "video",
        "a": 1,
        "b": 2,
        "is_empty": False,
        "added": 1,
        "changed": 1,
        "removed": 0,
        "records": {"added": [{"id": "c"}], "changed": [{"id": "a"}], "removed": []},
    }


def test_a_moment_that_is_not_there_is_an_error(lake: Path, metaxy: Cli) -> None:
    """A version, and a tag."""
    del lake
    version, tag = metaxy("diff", "video", "9"), metaxy("diff", "video", "frist")

    assert (version.code, tag.code) == (1, 1)
    assert "has no version 9. Readable are version 0" in version.err
    assert "Did you mean 'first'?" in tag.err


def test_tags_are_set_listed_and_removed(lake: Path, metaxy: Cli) -> None:
    """A name is given once."""
    del lake
    again = metaxy("tag", "first")
    listed = metaxy("tag")
    told = metaxy("tag", "--list", "--json").data
    second = metaxy("tag", "second", "--json").data
    removed = metaxy("tag", "first", "--remove")
    gone = metaxy("tag", "first", "--remove", "--json")

    assert again.code == 1
    assert "has the tag 'first' already" in again.err
    assert TIME.sub("TIME", listed.out).splitlines() == [
        "tag    tagged               tables  message",
        "first  TIME       3  As sold.",
    ]
    assert [each["name"] for each in told["tags"]] == ["first"]
    assert told["tags"][0]["tables"] == {"metaxy-system/lake": 0, "video": 1, "video/crop": 1}
    assert second["tag"]["tables"]["video"] == 2
    assert (removed.code, removed.out) == (0, "Removed the tag 'first'.\n")
    assert gone.code == 1


def test_a_lake_without_tags_says_so(metaxy: Cli, write_root: WriteRoot) -> None:
    """With the way to set one."""
    write_root(a="1")

    ended = metaxy("tag")

    assert (ended.code, ended.out) == (0, "")
    assert "`metaxy tag NAME` sets one" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--remove",),
        ("-m", "x"),
        ("a", "--list"),
        ("--list", "--remove"),
        ("a", "--remove", "-m", "x"),
    ],
)
def test_options_of_tag_that_contradict_are_refused(
    project: Path, metaxy: Cli, arguments: tuple[str, ...]
) -> None:
    """Before anything is done."""
    del project

    assert metaxy("tag", *arguments).code == 1


def test_a_lake_is_seen_as_it_was(lake: Path, metaxy: Cli) -> None:
    """By `status`, `list features` and `graph history`."""
    with writable(lake) as store:
        committed = store.history("video")["committed_at"]
    metaxy("push")
    now, then = metaxy("status", "--json"), metaxy("status", "--at", "first", "--json")
    early = metaxy("status", "video/crop", "--at", committed[1].isoformat(), "--json")
    features = metaxy("list", "features", "--at", committed[2].isoformat(), "--json").data
    pushes = metaxy("graph", "history", "--at", "first")

    crop = {each["feature"]: each for each in now.data["features"]}["video/crop"]
    crop_then = {each["feature"]: each for each in then.data["features"]}["video/crop"]
    assert (crop["added"], crop["changed"]) == (1, 1)
    assert (crop_then["state"], crop_then["records"]) == ("in_sync", 2)
    assert early.data["features"][0]["added"] == 2
    assert [each["in_store"] for each in features["features"]] == [False] * 3
    assert "Nothing was pushed" in pushes.err
    assert len(metaxy("graph", "history", "--json").data["pushes"]) == 1


def test_a_version_is_no_moment_of_a_lake(lake: Path, metaxy: Cli) -> None:
    """It is of one table."""
    del lake
    ended = metaxy("status", "--at", "3")

    assert ended.code == 1
    assert "3 is the version of one table" in ended.err


def test_a_time_without_a_zone_is_local() -> None:
    """By the clock on the wall, as tables show times; a number is a version, all else a tag."""
    wanted = {
        "2026-11-21": datetime(2026, 11, 21).astimezone(),
        "2026-11-21 13:05:00": datetime(2026, 11, 21, 13, 5).astimezone(),
        "2026-11-21T13:05Z": datetime(2026, 11, 21, 13, 5, tzinfo=UTC),
        "20": 20,
        "v20": "v20",
    }

    assert {text: MomentType().convert(text, None, None) for text in wanted} == wanted


@pytest.mark.parametrize("typed", ["2026-13-45", "2026-11-01T25:00", "1.0"])
def test_what_begins_like_a_time_and_is_none_is_refused(metaxy: Cli, typed: str) -> None:
    """It can't be a tag either."""
    ended = metaxy("status", "--at", typed)

    assert ended.code == 1
    assert f"{typed!r} is no time, such as 2026-11-01 or 2026-11-01T12:00, and no tag" in ended.err
