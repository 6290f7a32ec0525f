"""`metaxy push`: the three cases, projects, and what is said."""

from pathlib import Path

import pytest

from cli_project import FEATURES, SETTINGS, Cli


@pytest.mark.usefixtures("project")
def test_a_push_says_what_it_recorded(metaxy: Cli) -> None:
    """The first push records a snapshot, the second finds it there."""
    first, second = metaxy("push"), metaxy("push", "--json")

    version = second.data["snapshot_version"]
    assert (first.code, second.code) == (0, 0)
    assert first.out == f"Recorded snapshot: {version} (3 features of 'demo')\n"
    assert second.data == {
        "store": "dev",
        "project": "demo",
        "snapshot_version": version,
        "case": "unchanged",
        "features": 3,
        "updated": [],
    }
    assert metaxy("graph", "push").out == (
        f"Nothing new: {version} is recorded already (3 features of 'demo')\n"
    )


def test_other_descriptions_are_recorded_again(project: Path, metaxy: Cli) -> None:
    """A push of the same versions with other columns names the features that differ."""
    metaxy("push")
    module = project / "demo_features.py"
    module.write_text(FEATURES.replace("    id: str\n\nclass Crop", "    path: str\n\nclass Crop"))

    ended = metaxy("push")

    assert ended.code == 0
    assert ended.out.startswith("Recorded again: ")
    assert ended.out.endswith("did, of:\n  video\n")


def test_of_several_projects_one_must_be_named(project: Path, metaxy: Cli) -> None:
    """Without a project of its own, a push of features of several asks which."""
    (project / "metaxy.toml").write_text(SETTINGS.replace('project = "demo"\n', ""))
    module = project / "demo_features.py"
    module.write_text(FEATURES + '    project = "films"\n')

    refused, pushed = metaxy("push"), metaxy("push", "--project", "films")
    misspelt = metaxy("push", "--project", "film")

    assert refused.code == 1
    assert "features of several projects: 'demo_features', 'films'" in refused.err
    assert pushed.out.endswith("(1 feature of 'films')\n")
    assert misspelt.err == (
        "Error: The project 'film' has no features; there are those of 'demo_features', 'films'. "
        "Did you mean 'films'?\n"
    )


def test_without_features_the_way_to_name_them_is_told(folder: Path, metaxy: Cli) -> None:
    """Where nothing says where features are, the error does, and no lake is created."""
    ended = metaxy("push")

    assert ended.code == 1
    assert ended.err.startswith("Error: No features were found, since nothing says where they are.")
    assert 'entrypoints = ["my_package.features"]' in ended.err
    assert "`metaxy init`" in ended.err
    assert list(folder.iterdir()) == []


def test_modules_without_features_are_named(project: Path, metaxy: Cli) -> None:
    """Where modules were imported that declare none, the error names them."""
    (project / "demo_features.py").write_text("")

    ended = metaxy("push")

    assert ended.err.startswith("Error: No features were found: 'demo_features' can be imported,")


def test_faults_of_the_features_are_told_without_a_traceback(project: Path, metaxy: Cli) -> None:
    """What a feature module raises is named with its place; `--debug` shows how it came about."""
    (project / "demo_features.py").write_text("1 / 0\n")

    ended, debugged = metaxy("push"), metaxy("push", "--debug")

    assert ended.code == debugged.code == 1
    assert ended.err == (
        "Error: Feature modules cannot be imported: demo_features (from metaxy.toml, line 2): "
        f"ZeroDivisionError: division by zero [{project}/demo_features.py:1]\n"
    )
    assert debugged.err.startswith("Traceback")
    assert debugged.err.endswith(ended.err)


def test_what_feature_modules_print_does_not_get_into_the_data(project: Path, metaxy: Cli) -> None:
    """It goes to stderr, where messages go."""
    (project / "demo_features.py").write_text(FEATURES + "print('hello')\n")

    ended = metaxy("push", "--json")

    assert ended.data["case"] == "new"
    assert ended.err == "hello\n"
