"""`metaxy config show`: every setting, its source, and no secret."""

from pathlib import Path

from cli_project import SETTINGS, Cli

SECRETS = """
[stores.cloud]
type = "delta"
[stores.cloud.config]
root_path = "s3://me:hunter2@bucket/lake"
storage_options = { AWS_SECRET_ACCESS_KEY = "hunter3", AWS_REGION = "eu-north-1" }
"""


def test_settings_are_shown_with_their_source(project: Path, metaxy: Cli) -> None:
    """A row a setting, those that nobody set included."""
    ended = metaxy("config", "show", "--json")

    settings = {each["key"]: (each["value"], each["source"]) for each in ended.data["settings"]}
    assert ended.code == 0
    assert ended.data["files"] == [str(project / "metaxy.toml")]
    assert settings["project"] == ("demo", "metaxy.toml, line 1")
    assert settings["entrypoints"] == (["demo_features"], "metaxy.toml, line 2")
    assert settings["hash_algorithm"] == (None, "default")
    assert settings["auto_create_tables"] == (True, "default")


def test_secrets_are_not_shown(project: Path, metaxy: Cli) -> None:
    """Neither the table nor the JSON has a credential."""
    (project / "metaxy.toml").write_text(SETTINGS + SECRETS)

    table, as_json = metaxy("config", "show"), metaxy("config", "show", "--json")

    assert "s3://***@bucket/lake" in table.out
    assert "eu-north-1" in table.out
    for ended in (table, as_json, metaxy("list", "stores"), metaxy("list", "stores", "--json")):
        assert ended.code == 0
        assert "hunter" not in ended.out + ended.err


def test_without_a_file_the_defaults_are_shown(folder: Path, metaxy: Cli) -> None:
    """It says that there is no file, and the lake is that of the current folder."""
    ended = metaxy("config", "show")

    rows = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines()}
    assert ended.code == 0
    assert rows["stores.dev.config.root_path"] == [f"{folder}/.metaxy/lake", "default"]
    assert "There is no metaxy.toml here" in ended.err


def test_a_wrong_setting_is_told_with_its_place(project: Path, metaxy: Cli) -> None:
    """The error names file, line and the nearest right name."""
    (project / "metaxy.toml").write_text("projct = 'demo'\n")

    ended = metaxy("config", "show")

    assert ended.code == 1
    assert ended.err.startswith("Error: The configuration is wrong: metaxy.toml, line 1: projct:")
    assert "Did you mean 'project'?" in ended.err
