"""Credentials never show."""

import pickle
from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig
from metaxy.config.redaction import is_secret
from metaxy.errors import ConfigError

WITH_SECRETS = """
[stores.dev]
type = "delta"
[stores.dev.config]
root_path = "s3://user:hunter2@bucket/lake"
wrong = "postgres://me:hunter2@host/db"
[stores.dev.config.storage_options]
AWS_ACCESS_KEY_ID = "hunter2"
aws_secret_access_key = "hunter2"
sessionToken = "hunter2"
region = "eu"
allow_http = true
"""


@pytest.fixture
def config(folder: Path) -> MetaxyConfig:
    """A store with credentials in its options and its URI."""
    (folder / "metaxy.toml").write_text(WITH_SECRETS)
    return MetaxyConfig.load(environment={})


def test_printing_shows_no_credentials(config: MetaxyConfig) -> None:
    """`repr` and `str`, of the whole and of one store, have `***` instead."""
    for text in (repr(config), str(config), repr(config.stores["dev"]), str(config.stores)):
        assert "hunter2" not in text
        assert "***" in text


def test_the_store_still_gets_them(config: MetaxyConfig) -> None:
    """Hiding is for people; the options are as they were set, also after pickling."""
    restored = pickle.loads(pickle.dumps(config))  # noqa: S301  made one line above

    assert config.stores["dev"].config["root_path"] == "s3://user:hunter2@bucket/lake"
    assert restored == config
    assert restored.source("store") == "default"


def test_explain_shows_values_and_sources_without_credentials(config: MetaxyConfig) -> None:
    """Every setting is shown once, with who set it, and credentials as `***`."""
    shown = {value.key: (value.value, value.source) for value in config.explain()}

    assert shown == {
        "project": (None, "default"),
        "store": ("dev", "default"),
        "stores.dev.type": ("delta", "metaxy.toml, line 3"),
        "stores.dev.config.root_path": ("s3://***@bucket/lake", "metaxy.toml, line 5"),
        "stores.dev.config.wrong": ("postgres://***@host/db", "metaxy.toml, line 6"),
        "stores.dev.config.storage_options.AWS_ACCESS_KEY_ID": ("***", "metaxy.toml, line 8"),
        "stores.dev.config.storage_options.aws_secret_access_key": ("***", "metaxy.toml, line 9"),
        "stores.dev.config.storage_options.sessionToken": ("***", "metaxy.toml, line 10"),
        "stores.dev.config.storage_options.region": ("eu", "metaxy.toml, line 11"),
        "stores.dev.config.storage_options.allow_http": (True, "metaxy.toml, line 12"),
        "fallback_stores": ([], "default"),
        "hash_algorithm": (None, "default"),
        "hash_truncation_length": (None, "default"),
        "auto_create_tables": (True, "default"),
        "entrypoints": ([], "default"),
        "migrations_dir": ("migrations", "default"),
    }


def test_errors_show_no_credentials(folder: Path) -> None:
    """A value that is refused is shown without the credentials in it."""
    (folder / "metaxy.toml").write_text(
        'store = ["s3://me:hunter2@bucket"]\n[stores.dev]\ntype = "delta"\n'
        'config = "s3://me:hunter2@bucket"\n'
        'secret_key = "hunter2"\n'
    )

    with pytest.raises(ConfigError) as caught:
        MetaxyConfig.load(environment={})

    assert "3 faults" in str(caught.value)
    assert "hunter2" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "name",
    ["password", "AWS_SECRET_ACCESS_KEY", "accountKey", "sas-token", "azure_storage_account_key"],
)
def test_names_that_promise_a_credential_are_known(name: str) -> None:
    """Secret names are known in snake_case, kebab-case, camelCase and capitals."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["region", "keyspace", "monkey", "tokenizer", "root_path"])
def test_other_names_are_shown(name: str) -> None:
    """A word that only contains a secret word is none."""
    assert not is_secret(name)
