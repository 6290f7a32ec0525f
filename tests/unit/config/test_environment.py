"""Settings from variables."""

from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig
from metaxy.errors import ConfigError


@pytest.mark.parametrize("text", ["a.b,c", "a.b, c,", '["a.b", "c"]'])
def test_lists_have_commas_or_are_json(text: str) -> None:
    """A setting known to be a list takes names with commas between them, or JSON."""
    config = MetaxyConfig.load(environment={"METAXY_ENTRYPOINTS": text})

    assert config.entrypoints == ("a.b", "c")


def test_numbers_and_switches_are_read_from_text() -> None:
    """Text becomes a number or a switch where the setting wants one."""
    config = MetaxyConfig.load(
        environment={"METAXY_HASH_TRUNCATION_LENGTH": "16", "METAXY_AUTO_CREATE_TABLES": "false"}
    )

    assert config.hash_truncation_length == 16
    assert config.auto_create_tables is False


def test_two_underscores_go_one_table_down() -> None:
    """`__` separates keys; what is not there in any file is spelled in small letters."""
    config = MetaxyConfig.load(
        environment={
            "METAXY_STORE": "prod",
            "METAXY_STORES__PROD__TYPE": "delta",
            "METAXY_STORES__PROD__CONFIG__ROOT_PATH": "s3://bucket/lake",
            "METAXY_STORES__PROD__CONFIG__STORAGE_OPTIONS": '{"AWS_REGION": "x"}',
        }
    )

    assert config.named_store().type == "delta"
    assert config.named_store().config == {
        "root_path": "s3://bucket/lake",
        "storage_options": {"AWS_REGION": "x"},
    }


def test_a_variable_is_spelled_as_the_file_has_it(folder: Path) -> None:
    """A variable meets keys with other case, or with `-`, that a file already has."""
    (folder / "metaxy.toml").write_text(
        'store = "prod-EU"\n[stores.prod-EU]\ntype = "delta"\n'
        '[stores.prod-EU.config.storage_options]\nAWS_REGION = "a"\n'
    )

    config = MetaxyConfig.load(
        environment={"METAXY_STORES__PROD_EU__CONFIG__STORAGE_OPTIONS__AWS_REGION": "b"}
    )

    assert config.named_store("prod-EU").config == {"storage_options": {"AWS_REGION": "b"}}


def test_an_empty_variable_counts_as_not_set() -> None:
    """`METAXY_PROJECT=` says nothing."""
    assert MetaxyConfig.load(environment={"METAXY_PROJECT": ""}).project is None


def test_other_programs_variables_are_left_alone() -> None:
    """Only names that begin with `METAXY_` are looked at."""
    config = MetaxyConfig.load(environment={"PROJECT": "x", "NOT_METAXY_STROE": "y"})

    assert config.project is None


def test_the_variable_for_tracebacks_is_no_setting() -> None:
    """`METAXY_DEBUG` is for the command line, and no unknown setting."""
    assert MetaxyConfig.load(environment={"METAXY_DEBUG": "1"}).files == ()


def test_an_unknown_variable_is_an_error() -> None:
    """A slip in a variable's name is told with the right variable."""
    with pytest.raises(ConfigError) as caught:
        MetaxyConfig.load(environment={"METAXY_STROE": "prod"})

    assert str(caught.value) == (
        "The configuration is wrong: METAXY_STROE: there is no setting 'stroe'. There is: "
        "'auto_create_tables', 'entrypoints', 'fallback_stores', 'hash_algorithm', "
        "'hash_truncation_length', 'migrations_dir', 'project', 'store', 'stores'. Did you mean "
        "'METAXY_STORE'?"
    )
    assert caught.value.setting == "stroe"


def test_broken_json_names_the_variable() -> None:
    """A list or table that is no JSON is told with the variable it is in."""
    with pytest.raises(ConfigError, match=r"METAXY_ENTRYPOINTS: is not valid JSON: "):
        MetaxyConfig.load(environment={"METAXY_ENTRYPOINTS": '["a"'})
