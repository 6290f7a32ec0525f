"""`metaxy metadata`: what is deleted or dropped, and that nothing is without a yes."""

from pathlib import Path

import pytest

from cli_project import FEATURES, Cli, Compute, WriteRoot
from metaxy.cli import output


@pytest.fixture(autouse=True)
def written(write_root: WriteRoot, compute: Compute) -> None:
    """Three records of the root and of one feature."""
    write_root(a="1", b="1", c="1")
    compute("video/crop")


def records(metaxy: Cli, feature: str) -> int:
    """How many current records there are, by `metaxy status`."""
    return int(metaxy("status", "--json", feature).data["features"][0]["records"])


@pytest.mark.parametrize(
    "command",
    [
        ("delete", "video/crop", "--filter", "id = 'a'"),
        ("delete", "video/crop", "--filter", "id = 'a'", "--hard"),
        ("drop", "video/crop"),
    ],
    ids=["delete", "delete-hard", "drop"],
)
def test_nothing_is_done_where_nobody_can_be_asked(metaxy: Cli, command: tuple[str, ...]) -> None:
    """Off a terminal, without `--yes`, it tells what it would take and exits with 3."""
    ended = metaxy("metadata", *command)

    assert ended.code == 3
    assert ended.out == ""
    assert ended.err.startswith("Refused: D")
    assert ended.err.endswith("There is nobody to ask; give --yes to do it.\n")
    assert records(metaxy, "video/crop") == 3


@pytest.mark.parametrize(("answer", "code", "left"), [(True, 0, 2), (False, 3, 3)])
def test_on_a_terminal_it_asks(
    metaxy: Cli, monkeypatch: pytest.MonkeyPatch, *, answer: bool, code: int, left: int
) -> None:
    """The question has the number of records; any answer but yes leaves them."""
    asked: list[str] = []

    def answered(question: str) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(output, "can_ask", lambda: True)
    monkeypatch.setattr(output, "confirmed", answered)

    ended = metaxy("metadata", "delete", "video/crop", "--filter", "id = 'a'")

    assert ended.code == code
    assert len(asked) == 1
    assert asked[0].startswith("Delete 1 record of 'video/crop' from DeltaMetadataStore(")
    assert records(metaxy, "video/crop") == left


def test_records_that_fulfil_all_filters_are_deleted(metaxy: Cli) -> None:
    """Several filters must all hold; the JSON has the number."""
    ended = metaxy(
        *("metadata", "delete", "video/crop", "--yes", "--json"),
        *("--filter", "id != 'a'", "--filter", "id LIKE '%c'"),
    )

    assert ended.code == 0
    assert ended.data == {
        "store": "dev",
        "feature": "video/crop",
        "deleted": 1,
        "dry_run": False,
    }
    assert records(metaxy, "video/crop") == 2


def test_a_filter_that_fits_nothing_deletes_nothing(metaxy: Cli) -> None:
    """It is said, and is no error."""
    ended = metaxy("metadata", "delete", "video/crop", "--filter", "id = 'z'", "--json")

    assert ended.code == 0
    assert ended.data["deleted"] == 0
    assert ended.err.startswith("No record of 'video/crop' fulfils the filter in ")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("id = 1", "'id' is String, and can't be compared with 1."),
        ("id ==", "is not understood"),
        ("ident = 'a'", "uses a column that the records do not have"),
    ],
)
def test_a_wrong_filter_is_an_error(metaxy: Cli, sql: str, said: str) -> None:
    """It is told as a mistake in the filter, not as a bug."""
    ended = metaxy("metadata", "delete", "video/crop", "--yes", "--filter", sql)

    assert ended.code == 1
    assert said in ended.err
    assert "bug" not in ended.err
    assert records(metaxy, "video/crop") == 3


def test_a_feature_is_dropped(metaxy: Cli) -> None:
    """All its rows go, and it is to be computed again."""
    ended = metaxy("metadata", "drop", "video/crop", "--yes", "--json")

    assert ended.code == 0
    assert ended.data == {
        "store": "dev",
        "dropped": [{"feature": "video/crop", "rows": 3}],
        "dry_run": False,
    }
    crop = metaxy("status", "--json", "video/crop").data["features"][0]
    assert (crop["records"], crop["added"]) == (0, 3)


def test_what_is_not_there_is_not_dropped(metaxy: Cli) -> None:
    """A feature without records is mentioned, needs no yes, and is no error."""
    ended = metaxy("metadata", "drop", "video/faces")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("'video/faces' has no records in DeltaMetadataStore(")


def test_a_feature_that_is_gone_from_the_code_is_dropped(project: Path, metaxy: Cli) -> None:
    """What was pushed of it is enough to know it by."""
    metaxy("push")
    (project / "demo_features.py").write_text(FEATURES.replace("video", "film"))

    ended = metaxy("metadata", "drop", "video/crop", "--yes")

    assert (ended.code, ended.out) == (0, "Dropped 'video/crop'.\n")
    features = metaxy("list", "features", "--json").data["features"]
    assert [each["feature"] for each in features if each["in_store"]] == ["video"]


def test_a_misspelt_feature_is_an_error(metaxy: Cli) -> None:
    """The message has the nearest right name, and nothing is dropped."""
    ended = metaxy("metadata", "drop", "video/crop", "video/corp", "--yes")

    assert ended.code == 1
    assert "There is no feature 'video/corp'" in ended.err
    assert "Did you mean 'video/crop'?" in ended.err
    assert records(metaxy, "video/crop") == 3


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ("delete", "video/crop", "--filter", "id > 'a'"),
            "Would delete 2 records of 'video/crop'",
        ),
        (
            ("delete", "video/crop", "--filter", "id > 'a'", "--hard"),
            "Would delete 2 records of 'video/crop' for good from ",
        ),
        (("drop", "video/crop"), "Would drop all that was ever written of 'video/crop' (3 rows)"),
    ],
)
def test_a_dry_run_only_tells(metaxy: Cli, command: tuple[str, ...], said: str) -> None:
    """Nobody is asked, and nothing goes."""
    ended = metaxy("metadata", *command, "--dry-run")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith(said)
    assert metaxy("metadata", *command, "--dry-run", "--json").data["dry_run"] is True
    assert records(metaxy, "video/crop") == 3


def test_records_are_deleted_for_good(metaxy: Cli) -> None:
    """Those that were deleted softly, too."""
    metaxy("metadata", "delete", "video/crop", "--filter", "id = 'a'", "--yes")
    ended = metaxy("metadata", "delete", "video/crop", "--filter", "id < 'c'", "--hard", "--yes")

    assert ended.code == 0
    assert ended.out == "Deleted 2 records of 'video/crop' for good.\n"
    assert records(metaxy, "video/crop") == 1
    told = metaxy("history", "video/crop", "--json").data["commits"]
    assert [each["operation"] for each in told][1] == "hard_delete"


def test_records_of_all_versions_are_only_deleted_for_good(metaxy: Cli) -> None:
    """Each version counts."""
    command = ("metadata", "delete", "video/crop", "--filter", "id = 'a'", "--all-versions")
    assert metaxy(*command).code == 1
    assert metaxy(*command, "--hard", "--yes", "--json").data["deleted"] == 1


def test_files_are_vacuumed(metaxy: Cli) -> None:
    """Asked for, told, removed; with time to keep, nothing is."""
    metaxy("metadata", "delete", "video/crop", "--filter", "id = 'a'", "--hard", "--yes")
    assert metaxy("metadata", "vacuum").err == "The store 'dev' has no files that nothing needs.\n"
    vacuum = ("metadata", "vacuum", "--keep-days", "0")
    refused = metaxy(*vacuum)
    dry = metaxy(*vacuum, "--dry-run", "--json")
    done = metaxy(*vacuum, "--yes", "--json")

    assert refused.code == 3
    assert refused.err.startswith("Refused: Remove 1 file (")
    (table,) = done.data["tables"]
    assert (table["feature"], len(table["files"])) == ("video/crop", 1)
    assert table["bytes"] > 0
    assert dry.data == done.data | {"dry_run": True}
    assert metaxy(*vacuum, "--json").data["tables"] == []
    assert records(metaxy, "video/crop") == 2


def test_records_are_purged(metaxy: Cli) -> None:
    """With what was made from them."""
    purge = ("metadata", "purge", "video", "--id", "id=a")
    refused = metaxy(*purge)
    dry = metaxy(*purge, "--dry-run")
    done = metaxy(*purge, "--yes", "--json")

    assert refused.code == 3
    assert refused.err.startswith("Refused: Erase 2 rows and 2 files of 'video', 'video/crop'")
    assert dry.err == "Would erase:\n"
    assert dry.out == "video: 1 row, 1 file\nvideo/crop: 1 row, 1 file\n"
    assert [(each["feature"], each["rows"]) for each in done.data["tables"]] == [
        ("video", 1),
        ("video/crop", 1),
    ]
    assert metaxy(*purge).err == "The store 'dev' has nothing of them.\n"
    assert records(metaxy, "video/crop") == 2
    assert metaxy("metadata", "purge", "video", "--filter", "id = 'b'", "--yes").code == 0
    assert records(metaxy, "video/crop") == 1


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (("--id", "i=a"), "'id', and --id was given for 'i'. Did you mean 'id'? Say --id id=…."),
        (("--id", "id=a", "--id", "x=b"), "'id', and --id was given for 'id', 'x'. Say --id id=…."),
    ],
)
def test_a_purge_needs_the_columns_that_name_a_record(
    metaxy: Cli, ids: tuple[str, ...], told: str
) -> None:
    """Others are refused, with what is to be typed."""
    ended = metaxy("metadata", "purge", "video", *ids, "--yes")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"Error: A record of 'video' is named by {told}\n")


def test_a_purge_tells_the_tags_that_it_breaks(metaxy: Cli) -> None:
    """Before it asks, in the plan and afterwards."""
    purge = ("metadata", "purge", "video", "--id", "id=a")
    assert metaxy("tag", "first").code == 0
    assert (
        "1 row and 1 file, which the tag 'first' needs, of"
        in metaxy("metadata", "purge", "video/crop", "--id", "id=b").err
    )
    assert metaxy("tag", "second").code == 0

    asked, planned, done = metaxy(*purge), metaxy(*purge, "--dry-run"), metaxy(*purge, "--yes")

    assert "2 files, which the tags 'first', 'second' need, of" in asked.err
    assert planned.out.splitlines() == [
        "video: 1 row, 1 file, which the tags 'first', 'second' need",
        "video/crop: 1 row, 1 file, which the tags 'first', 'second' need",
    ]
    assert done.out == planned.out


@pytest.mark.parametrize("options", [(), ("--id", "id=a", "--filter", "id = 'a'"), ("--id", "a")])
def test_a_purge_of_nothing_in_particular_is_refused(metaxy: Cli, options: tuple[str, ...]) -> None:
    """Either ids or a condition."""
    ended = metaxy("metadata", "purge", "video", *options)

    assert ended.code == 1
    assert "--id" in ended.err
