"""Which source wins, and which files hold for a folder."""

from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig, NamedStore
from metaxy.errors import ConfigError


def test_without_any_source_there_is_one_local_lake(folder: Path) -> None:
    """With nothing set, the one store is a Delta lake in `.metaxy/lake` of the current folder."""
    config = MetaxyConfig.load(environment={})

    assert config.store == "dev"
    assert config.stores == {
        "dev": NamedStore(type="delta", config={"root_path": str(folder / ".metaxy/lake")})
    }
    assert config.project is None
    assert config.entrypoints == ()
    assert config.fallback_stores == ()
    assert config.hash_algorithm is None
    assert config.hash_truncation_length is None
    assert config.auto_create_tables is True
    assert config.files == ()
    assert config.folder == folder


def test_argument_beats_environment_beats_metaxy_toml_beats_pyproject(folder: Path) -> None:
    """Each source wins over the next weaker one, and only where it says something."""
    (folder / "pyproject.toml").write_text(
        '[tool.metaxy]\nproject = "d"\nhash_algorithm = "d"\n'
        'hash_truncation_length = 40\nentrypoints = ["d"]\n'
    )
    (folder / "metaxy.toml").write_text(
        'project = "c"\nhash_algorithm = "c"\nhash_truncation_length = 30\n'
    )

    config = MetaxyConfig.load(
        overrides={"project": "a"},
        environment={"METAXY_PROJECT": "b", "METAXY_HASH_ALGORITHM": "b"},
    )

    assert config.project == "a"
    assert config.hash_algorithm == "b"
    assert config.hash_truncation_length == 30
    assert config.entrypoints == ("d",)
    assert config.source("project") == "argument"
    assert config.source("hash_algorithm") == "METAXY_HASH_ALGORITHM"
    assert config.source("hash_truncation_length") == "metaxy.toml, line 3"
    assert config.source("entrypoints") == "pyproject.toml, line 5"
    assert config.source("auto_create_tables") == "default"


def test_stores_are_merged_option_by_option(folder: Path) -> None:
    """A stronger source that sets one option of a store leaves its other options as they were."""
    (folder / "metaxy.toml").write_text(
        '[stores.dev]\ntype = "delta"\n[stores.dev.config]\nroot_path = "/lake"\nlayout = "flat"\n'
    )

    config = MetaxyConfig.load(environment={"METAXY_STORES__DEV__CONFIG__LAYOUT": "nested"})

    assert config.stores["dev"].config == {"root_path": "/lake", "layout": "nested"}


def test_lists_are_replaced_not_joined(folder: Path) -> None:
    """A stronger list takes the place of the weaker one."""
    (folder / "metaxy.toml").write_text('entrypoints = ["a", "b"]\n')

    config = MetaxyConfig.load(environment={"METAXY_ENTRYPOINTS": "c"})

    assert config.entrypoints == ("c",)


def test_nearest_folder_with_settings_holds(folder: Path) -> None:
    """The search goes up to the first folder that has settings, and takes nothing from above it."""
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    (folder / "metaxy.toml").write_text('project = "outer"\nhash_algorithm = "md5"\n')
    (folder / "a" / "metaxy.toml").write_text('project = "inner"\n')
    (inner / "pyproject.toml").write_text('[project]\nname = "has-no-metaxy-table"\n')

    config = MetaxyConfig.load(inner, environment={})

    assert config.project == "inner"
    assert config.hash_algorithm is None
    assert config.files == (folder / "a" / "metaxy.toml",)
    assert config.folder == folder / "a"


def test_search_can_stay_in_one_folder(folder: Path) -> None:
    """`search_parents=False` looks at no folder but the one it was given."""
    inner = folder / "a"
    inner.mkdir()
    (folder / "metaxy.toml").write_text('project = "outer"\n')

    assert MetaxyConfig.load(inner, search_parents=False, environment={}).project is None


def test_both_files_of_one_folder_hold(folder: Path) -> None:
    """`pyproject.toml` and `metaxy.toml` beside each other both count, the latter more."""
    (folder / "pyproject.toml").write_text('[tool.metaxy]\nproject = "p"\nhash_algorithm = "md5"\n')
    (folder / "metaxy.toml").write_text('project = "m"\n')

    config = MetaxyConfig.load(environment={})

    assert (config.project, config.hash_algorithm) == ("m", "md5")
    assert config.files == (folder / "pyproject.toml", folder / "metaxy.toml")


@pytest.mark.parametrize("how", ["argument", "METAXY_CONFIG"])
def test_a_file_can_be_named(folder: Path, how: str) -> None:
    """A file that is named, by argument or by `METAXY_CONFIG`, is the only one that is read."""
    (folder / "metaxy.toml").write_text('project = "found"\n')
    named = folder / "other.toml"
    named.write_text('hash_algorithm = "md5"\n')

    if how == "argument":
        config = MetaxyConfig.load(named, environment={})
    else:
        config = MetaxyConfig.load(environment={"METAXY_CONFIG": str(named)})

    assert (config.project, config.hash_algorithm) == (None, "md5")


def test_a_named_file_must_be_there(folder: Path) -> None:
    """A file that was named and is not there is an error that names it."""
    with pytest.raises(ConfigError) as caught:
        MetaxyConfig.load(folder / "nope.toml", environment={})

    assert str(caught.value) == (
        f"There is no configuration file '{folder}/nope.toml'. `metaxy init` makes one."
    )


def test_a_named_pyproject_must_have_the_table(folder: Path) -> None:
    """A `pyproject.toml` that was named must hold settings of metaxy."""
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\n')

    with pytest.raises(ConfigError, match=r"has no table \[tool.metaxy\]"):
        MetaxyConfig.load("pyproject.toml", environment={})


def test_default_store_is_the_only_one_there_is(folder: Path) -> None:
    """Where `store` is not set, the only store is the default one, whatever its name."""
    (folder / "metaxy.toml").write_text('[stores.prod]\ntype = "delta"\n')

    config = MetaxyConfig.load(environment={})

    assert config.store == "prod"
    assert list(config.stores) == ["prod"]


def test_default_lake_lies_beside_the_file(folder: Path) -> None:
    """A file that defines no store gets its lake beside itself, also from a folder below."""
    inner = folder / "a"
    inner.mkdir()
    (folder / "metaxy.toml").write_text('project = "p"\n')

    config = MetaxyConfig.load(inner, environment={})

    assert config.stores["dev"].config == {"root_path": str(folder / ".metaxy/lake")}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("lake", "{folder}/lake"),
        ("../lake", "{parent}/lake"),
        ("/abs/lake", "/abs/lake"),
        ("s3://bucket/lake", "s3://bucket/lake"),
    ],
)
def test_root_path_is_relative_to_its_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    """A relative root path in a file is meant from the file's folder; a URI stays as it is."""
    inner = folder / "a"
    inner.mkdir()
    monkeypatch.chdir(inner)
    (folder / "metaxy.toml").write_text(
        f'[stores.dev]\ntype = "delta"\nconfig = {{ root_path = "{written}" }}\n'
    )

    config = MetaxyConfig.load(environment={})

    wanted = meant.format(folder=folder, parent=folder.parent)
    assert config.stores["dev"].config == {"root_path": wanted}


def test_root_path_from_a_variable_is_relative_to_the_current_folder(folder: Path) -> None:
    """What a person types in a shell is meant from where the shell is."""
    (folder.parent / "metaxy.toml").write_text('[stores.dev]\ntype = "delta"\n')

    config = MetaxyConfig.load(environment={"METAXY_STORES__DEV__CONFIG__ROOT_PATH": "lake"})

    assert config.stores["dev"].config == {"root_path": str(folder / "lake")}
