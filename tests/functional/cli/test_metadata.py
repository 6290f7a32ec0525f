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
    [("delete", "video/crop", "--filter", "id = 'a'"), ("drop", "video/crop")],
    ids=["delete", "drop"],
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
    assert ended.data == {"store": "dev", "feature": "video/crop", "deleted": 1}
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
    assert ended.data == {"store": "dev", "dropped": [{"feature": "video/crop", "rows": 3}]}
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
