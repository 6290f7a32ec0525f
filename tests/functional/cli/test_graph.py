"""`metaxy graph`: render, history and diff."""

import json
import re
from pathlib import Path

import pytest

from cli_project import FEATURES, Cli

CHANGED = FEATURES.replace('code_version="1"', 'code_version="2"')


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("form", "begins"),
    [("terminal", "video "), ("mermaid", "flowchart TD\n"), ("dot", "digraph features {\n")],
)
def test_a_graph_is_drawn_in_each_form(metaxy: Cli, form: str, begins: str) -> None:
    """Each form names all features, without colours off a terminal."""
    ended = metaxy("graph", "render", "--format", form)

    assert ended.code == 0
    assert ended.out.startswith(begins)
    assert all(key in ended.out for key in ("video", "video/crop", "video/faces"))
    assert "\x1b" not in ended.out


@pytest.mark.usefixtures("project")
def test_a_graph_is_given_as_json(metaxy: Cli) -> None:
    """`--json` and `--format json` are the same, in topological order."""
    ended = metaxy("graph", "render", "--json")

    assert ended.out == metaxy("graph", "render", "--format", "json").out
    assert [each["key"] for each in ended.data["features"]] == [
        "video",
        "video/crop",
        "video/faces",
    ]


@pytest.mark.usefixtures("project")
def test_a_part_of_a_graph_is_drawn_with_what_it_needs(metaxy: Cli) -> None:
    """Features that are named bring all that they depend on, and nothing else."""
    ended = metaxy("graph", "render", "--json", "video/crop")

    assert [each["key"] for each in ended.data["features"]] == ["video", "video/crop"]


def test_history_lists_pushes_the_newest_first(project: Path, metaxy: Cli) -> None:
    """A row a push, with its time, snapshot, number of features and case."""
    metaxy("push")
    (project / "demo_features.py").write_text(CHANGED)
    metaxy("push")

    ended = metaxy("graph", "history", "--json")
    newest, oldest = ended.data["pushes"]
    table = metaxy("graph", "history", "--limit", "1").out.splitlines()

    assert ended.code == 0
    assert newest["snapshot_version"] != oldest["snapshot_version"]
    assert {name: oldest[name] for name in ("project", "features", "case")} == {
        "project": "demo",
        "features": 3,
        "case": "new",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", newest["recorded_at"])
    assert newest["recorded_at"] > oldest["recorded_at"]
    assert table[0].split() == ["pushed", "project", "snapshot", "features", "case"]
    assert table[1].split()[2:] == ["demo", newest["snapshot_version"][:12], "3", "new"]
    assert len(table) == 2


@pytest.mark.usefixtures("project")
def test_history_of_a_new_lake_is_empty(metaxy: Cli) -> None:
    """Nothing on stdout but, with `--json`, an empty list; a message says why."""
    ended, as_json = metaxy("graph", "history"), metaxy("graph", "history", "--json")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err.endswith(".\nNothing was pushed to the store 'dev' yet.\n")
    assert as_json.data == {"store": "dev", "pushes": []}


@pytest.mark.usefixtures("project")
def test_before_the_first_push_every_feature_is_new(metaxy: Cli) -> None:
    """The difference to nothing is a difference: exit code 2."""
    ended = metaxy("graph", "diff")

    assert ended.code == 2
    assert ended.out == (
        "nothing -> the code: 3 features added, 0 removed, 0 changed, 0 affected by upstream\n"
        "+ video\n+ video/crop\n+ video/faces\n"
    )
    assert ended.err.startswith("Warning: There is no lake at '")
    assert ended.err.endswith(
        ".\nNothing was pushed to the store 'dev' yet, so every feature is new.\n"
    )


def test_code_is_compared_with_the_newest_push(project: Path, metaxy: Cli) -> None:
    """Exit code 0 without a difference, 2 with one, which is told."""
    metaxy("push")
    same = metaxy("graph", "diff")
    (project / "demo_features.py").write_text(CHANGED)
    other = metaxy("graph", "diff")

    assert same.code == 0
    assert re.fullmatch("No difference between [0-9a-f]{12} and the code.\n", same.out)
    assert other.code == 2
    assert other.out.splitlines()[1:] == [
        "~ video/faces",
        "    field 'boxes': code version: '1' -> '2'",
    ]


def test_two_snapshots_are_compared_without_the_code(project: Path, metaxy: Cli) -> None:
    """Beginnings of snapshot versions will do; the feature modules may be broken since."""
    old = metaxy("push", "--json").data["snapshot_version"]
    (project / "demo_features.py").write_text(CHANGED)
    new = metaxy("push", "--json").data["snapshot_version"]
    (project / "demo_features.py").write_text("")

    ended = metaxy("graph", "diff", old[:10], new[:10], "--json")

    assert ended.code == 2
    data = ended.data
    assert data.pop("old_recorded_at") < data.pop("new_recorded_at")
    assert data == {
        "store": "dev",
        "old": old,
        "new": new,
        "is_empty": False,
        "added": [],
        "removed": [],
        "changed": [
            {
                "feature": "video/faces",
                "changes_version": True,
                "changes": [
                    {
                        "kind": "code_version",
                        "subject": "field 'boxes'",
                        "old": "'1'",
                        "new": "'2'",
                        "changes_version": True,
                    }
                ],
            }
        ],
        "affected": [],
    }


def test_json_of_a_difference_to_the_code_has_no_second_push(project: Path, metaxy: Cli) -> None:
    """The code has a snapshot version and no time; what follows downstream is told by field."""
    metaxy("push")
    module = project / "demo_features.py"
    fields = 'fields=["audio", "frames"]'
    changed = 'fields=["audio", FieldSpec("frames", code_version="2")]'
    module.write_text(FEATURES.replace(fields, changed))

    data = json.loads(metaxy("graph", "diff", "--json").out)

    assert data["new_recorded_at"] is None
    assert re.fullmatch("[0-9a-f]{64}", data["new"])
    assert data["affected"] == [
        {
            "feature": "video/crop",
            "fields": [{"field": "default", "through": [["video", "frames"]]}],
        },
        {
            "feature": "video/faces",
            "fields": [{"field": "boxes", "through": [["video/crop", "default"]]}],
        },
    ]


@pytest.mark.usefixtures("project")
def test_an_unknown_snapshot_is_an_error(metaxy: Cli) -> None:
    """The message names the command that lists snapshots."""
    metaxy("push")

    ended = metaxy("graph", "diff", "nope")

    assert ended.code == 1
    assert ended.err == (
        "Error: No snapshot 'nope' was pushed to this lake. `metaxy graph history` lists those "
        "that were.\n"
    )


def test_a_project_that_was_renamed_and_back_is_compared_with_its_own_push(
    project: Path, metaxy: Cli
) -> None:
    """Both have pushed one snapshot, in which features are of another project."""
    settings = (project / "metaxy.toml").read_text()
    metaxy("push")
    (project / "metaxy.toml").write_text(settings.replace('"demo"', '"other"'))
    metaxy("push")
    (project / "metaxy.toml").write_text(settings)

    compared = metaxy("graph", "diff")
    drafted = metaxy("migrations", "generate")

    assert (compared.code, compared.out[:21]) == (0, "No difference between")
    assert drafted.err.startswith("Nothing changed: the snapshot ")
