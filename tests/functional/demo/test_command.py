"""What a person sees of `metaxy demo`, and what it refuses."""

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from demo_figures import File, files_in
from metaxy.cli.app import run
from metaxy.cli.demo_text import TREE
from metaxy.demo import FeatureAccount
from metaxy.demo.workspace import Workspace, project_folder


def test_three_rounds_are_told_and_end_with_nothing_to_do(as_text: Any) -> None:
    """Each round has a row a feature, says why, and is asked again."""
    out = as_text.out

    assert (as_text.code, as_text.err) == (0, "")
    assert len(re.findall(r"^Round \d: ", out, flags=re.MULTILINE)) == 3
    assert out.count("Asked again: nothing left to do.") == 3
    for label in TREE.values():
        assert len(re.findall(f"^{re.escape(label)} ", out, flags=re.MULTILINE)) == 3


def test_the_text_is_plain_and_fits(as_text: Any) -> None:
    """Off a terminal there are no colours, no line is longer than 100, no round than a screen."""
    lines = [line for line in as_text.out.splitlines() if str(as_text.source.parent) not in line]

    assert "\x1b" not in as_text.out
    assert [line for line in lines if len(line) > 100 and "scan_delta" not in line] == []
    assert max(len(each.splitlines()) for each in as_text.out.split("\nRound ")) <= 26


def test_the_numbers_in_the_text_are_those_of_the_json(as_text: Any, as_json: Any) -> None:
    """Text and JSON tell one story, and telling it twice changes nothing."""
    labels = tuple(f"{label} " for label in TREE.values())
    rows = [line for line in as_text.out.splitlines() if line.startswith(labels)]
    features = [each for turn in as_json.report["rounds"] for each in turn["features"]]
    numbers = ("records", "computed", "skipped", "pruned", "removed")

    for row, each in zip(rows, features, strict=True):
        told = row.removeprefix(TREE[each["feature"]]).split()[:5]
        assert told == [f"{each[name]:,}" if each[name] else "-" for name in numbers]


def test_the_drawn_tree_is_the_graph(as_json: Any) -> None:
    """A feature is drawn below what it is made from; of two, one is in brackets."""
    features = as_json.report["rounds"][0]["features"]

    assert list(TREE) == [each["feature"] for each in features]
    assert [each["upstreams"] for each in features] == [
        [],
        ["library/file"],
        ["library/file"],
        ["library/module"],
        ["library/module"],
        ["library/age", "library/module"],
    ]


def test_the_source_is_only_read(before: dict[str, File], as_text: Any, as_json: Any) -> None:
    """No file of it is changed, added, deleted or touched."""
    assert as_text.code == as_json.code == 0
    assert files_in(as_text.source) == before


def test_what_is_kept_is_a_project_that_runs(as_text: Any) -> None:
    """Run again, the project has nothing to do; the text says where it is."""
    accounts = list(Workspace(as_text.kept).run())

    assert f"cd '{as_text.kept}'" in as_text.out
    assert [account.computed for account in accounts] == [0] * 6
    assert {path.name for path in as_text.kept.iterdir()} - {"files", "lake"} == {
        path.name for path in project_folder().iterdir() if path.suffix in {".py", ".toml", ".md"}
    }


def test_neither_features_nor_settings_are_mixed_with_the_users(as_text: Any) -> None:
    """It declares nothing in the calling process, and settings of the shell don't reach it."""
    assert (as_text.code, as_text.declared) == (0, 0)


def test_without_keep_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The work folder is gone, and the text says how to keep one."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.py").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    code = run(["demo", str(tmp_path / "source")])

    assert code == 0
    assert "metaxy demo --keep NEW_FOLDER" in capsys.readouterr().out
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_run_that_fails_says_what_the_project_said(tmp_path: Path) -> None:
    """The output of the project is in the error, and no half-read line is."""
    (tmp_path / "run.py").write_text("import sys\nsys.exit('out of luck')\n")

    with pytest.raises(Exception, match=r"(?s)python run\.py files.*exit code 1.*out of luck"):
        list(Workspace(tmp_path).run())


def test_a_line_with_other_fields_is_refused() -> None:
    """The project and the demo agree on what a line has."""
    with pytest.raises(ValueError, match="extra"):
        FeatureAccount.model_validate_json('{"feature": "a", "extra": 1}')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing"], "is no folder"),
        (["empty"], "has no files that the demo could take"),
        (["full", "--keep", "full/inside"], "which the demo only reads"),
        (["full", "--keep", "full"], "which the demo only reads"),
        (["full", "--keep", "other"], "is not empty"),
    ],
)
def test_what_can_not_be_done_is_refused_at_once(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 1, a message, and nothing written."""
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "full", "other"):
        Path(name).mkdir()
    Path("full", "a.py").touch()
    Path("other", "a.py").touch()

    code = run(["demo", *arguments])

    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert said in captured.err
    for name in ("full", "other"):
        assert [path.name for path in Path(name).iterdir()] == ["a.py"]
