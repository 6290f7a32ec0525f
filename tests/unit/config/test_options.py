"""A store's options, with what holds for all stores."""

from metaxy.config import MetaxyConfig, NamedStore


def test_common_settings_reach_every_store_that_has_none_of_its_own() -> None:
    """Hash settings and table creation are taken from the store's options first."""
    config = MetaxyConfig(
        hash_algorithm="md5",
        hash_truncation_length=16,
        auto_create_tables=False,
        stores={
            "dev": NamedStore(type="delta", config={"hash_algorithm": "sha256"}),
            "prod": NamedStore(type="delta"),
        },
    )

    assert config.options() == {
        "hash_algorithm": "sha256",
        "hash_truncation_length": 16,
        "auto_create_tables": False,
    }
    assert config.options("prod") == {
        "hash_algorithm": "md5",
        "hash_truncation_length": 16,
        "auto_create_tables": False,
    }


def test_common_fallbacks_are_the_default_stores() -> None:
    """The default store falls back to the common list, without itself; other stores don't."""
    config = MetaxyConfig(
        store="dev",
        fallback_stores=("dev", "prod"),
        stores={"dev": NamedStore(type="delta"), "prod": NamedStore(type="delta")},
    )

    assert config.options("dev") == {"auto_create_tables": True, "fallback_stores": ["prod"]}
    assert config.options("prod") == {"auto_create_tables": True}


def test_own_fallbacks_come_before_common_ones() -> None:
    """A store's own list of fallbacks holds alone, also an empty one."""
    config = MetaxyConfig(
        store="dev",
        fallback_stores=("prod",),
        stores={
            "dev": NamedStore(type="delta", config={"fallback_stores": []}),
            "prod": NamedStore(type="delta"),
        },
    )

    assert config.options("dev") == {"auto_create_tables": True, "fallback_stores": []}


def test_a_plain_value_names_its_only_store_as_the_default() -> None:
    """A value that is made by hand gets the same defaults as one that is read."""
    config = MetaxyConfig(stores={"prod": NamedStore(type="delta")})

    assert config.store == "prod"
    assert config.source("store") == "default"
    assert config.source("stores", "prod", "type") == "argument"
