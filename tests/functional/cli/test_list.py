"""`metaxy list`: features of code and lake, and stores."""

from pathlib import Path

import pytest

from cli_project import FEATURES, Cli, WriteRoot


def test_features_of_the_code_are_listed(metaxy: Cli, write_root: WriteRoot) -> None:
    """A row a feature, in topological order, with whether the lake has records."""
    write_root(a="1")

    ended = metaxy("list", "features")
    rows = metaxy("list", "features", "--json").data["features"]

    assert ended.code == 0
    assert ended.err == ""
    assert [line.split()[0] for line in ended.out.splitlines()] == [
        "feature",
        "video",
        "video/crop",
        "video/faces",
    ]
    assert len(rows[0].pop("feature_version")) == 64
    assert rows[0] == {
        "feature": "video",
        "project": "demo",
        "id_columns": ["id"],
        "fields": ["audio", "frames"],
        "upstream": [],
        "in_code": True,
        "in_store": True,
    }
    assert rows[1]["upstream"] == ["video"]
    assert rows[1]["in_store"] is False


def test_features_that_only_the_lake_has_come_last(
    project: Path, metaxy: Cli, write_root: WriteRoot
) -> None:
    """Of a feature that is gone from the code, only the key is known."""
    write_root(a="1")
    (project / "demo_features.py").write_text(FEATURES.replace('"video"', '"film"'))

    rows = metaxy("list", "features", "--json").data["features"]

    assert [row["feature"] for row in rows] == ["film", "video/crop", "video/faces", "video"]
    assert rows[-1] == {
        "feature": "video",
        "project": None,
        "feature_version": None,
        "id_columns": None,
        "fields": None,
        "upstream": None,
        "in_code": False,
        "in_store": True,
    }


def test_without_features_the_list_is_empty(folder: Path, metaxy: Cli) -> None:
    """It is no error to have none, and the message says how features are found."""
    ended = metaxy("list", "features", "--json")

    assert ended.code == 0
    assert ended.data == {"store": "dev", "features": []}
    assert "\nNo features were found" in ended.err
    assert list(folder.iterdir()) == []


def test_stores_are_listed(project: Path, metaxy: Cli) -> None:
    """A row a store, sorted, the default one marked."""
    ended = metaxy("list", "stores")

    assert ended.code == 0
    assert [line.split()[:3] for line in ended.out.splitlines()[1:]] == [
        ["*", "dev", f"DeltaMetadataStore({project}/lake)"],
        ["other", f"DeltaMetadataStore({project}/other_lake)", "-"],
    ]
    assert metaxy("list", "stores", "--json").data["stores"][0] == {
        "name": "dev",
        "type": "delta",
        "display": f"DeltaMetadataStore({project}/lake)",
        "fallback_stores": [],
        "is_default": True,
        "source": "metaxy.toml, line 4",
    }


@pytest.mark.usefixtures("project")
def test_a_misspelt_store_is_an_error(metaxy: Cli) -> None:
    """The message has all stores and the nearest right name."""
    ended = metaxy("list", "features", "--store", "othr")

    assert ended.code == 1
    assert ended.err == (
        "Error: There is no store 'othr'. Stores: 'dev', 'other'. Did you mean 'other'? "
        "[stores.othr] would define it.\n"
    )
