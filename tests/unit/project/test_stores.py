"""Stores from settings; what a store class is given is recorded by a class that builds nothing."""

from dataclasses import dataclass
from typing import Any, Self, cast

import pytest

from metaxy.config import MetaxyConfig, NamedStore
from metaxy.errors import ConfigError
from metaxy.metadata_store.base import MetadataStore, MetadataStoreConfig
from metaxy.project import build_store, init_metaxy


class RecordingConfig(MetadataStoreConfig):
    """Options of the recording store."""

    root_path: str
    size: int = 1


@dataclass
class Recorded:
    """What `from_config` was given."""

    config: MetadataStoreConfig
    arguments: dict[str, Any]


class RecordingStore(MetadataStore):
    """Gives what it was given instead of a store."""

    @classmethod
    def config_model(cls) -> type[MetadataStoreConfig]:
        """Give the model of the options."""
        return RecordingConfig

    @classmethod
    def from_config(cls, config: MetadataStoreConfig, **kwargs: Any) -> Self:
        """Give the arguments back."""
        return cast("Self", Recorded(config, kwargs))


NO_STORE = int
RECORDING = f"{__name__}.RecordingStore"


def recorded(config: MetaxyConfig, name: str | None = None, **runtime: Any) -> Recorded:
    """Build a recording store."""
    return cast("Recorded", build_store(config, name, **runtime))


def settings(**options: object) -> MetaxyConfig:
    """Settings with one recording store `dev`."""
    return MetaxyConfig(stores={"dev": NamedStore(type=RECORDING, config=options)})


def test_a_store_gets_its_options_and_what_is_common() -> None:
    """The options are those of the store's own model, with the common settings filled in."""
    config = MetaxyConfig(
        hash_truncation_length=16,
        stores={"dev": NamedStore(type=RECORDING, config={"root_path": "/lake", "size": "3"})},
    )

    built = recorded(config, materialization_id="run-1")

    assert isinstance(built.config, RecordingConfig)
    assert (built.config.root_path, built.config.size) == ("/lake", 3)
    assert built.config.hash_truncation_length == 16
    assert built.arguments == {"fallback_stores": [], "materialization_id": "run-1"}


def test_fallbacks_are_built_from_their_names_in_order() -> None:
    """A store gets its fallbacks as stores, each with its own; runtime arguments stay with it."""
    config = MetaxyConfig(
        store="dev",
        stores={
            "dev": NamedStore(
                type=RECORDING, config={"root_path": "/dev", "fallback_stores": ["b", "a"]}
            ),
            "a": NamedStore(type=RECORDING, config={"root_path": "/a"}),
            "b": NamedStore(type=RECORDING, config={"root_path": "/b", "fallback_stores": ["a"]}),
        },
    )

    b, a = recorded(config, materialization_id="run-1").arguments["fallback_stores"]

    assert (b.config.root_path, a.config.root_path) == ("/b", "/a")
    assert [store.config.root_path for store in b.arguments["fallback_stores"]] == ["/a"]
    assert a.arguments == {"fallback_stores": []}


def test_a_store_is_told_whose_features_it_writes() -> None:
    """The project of the settings reaches the store, which guards against writes to others."""
    config = settings(root_path="/lake").model_copy(update={"project": "vision"})

    assert recorded(config).arguments == {"fallback_stores": [], "project": "vision"}


def test_a_project_builds_its_stores() -> None:
    """`init_metaxy(…).get_store()` is the way that users take."""
    store = init_metaxy(settings(root_path="/lake")).get_store()

    assert cast("Recorded", store).config.model_dump()["root_path"] == "/lake"


def test_options_that_the_class_refuses_are_told_with_their_place() -> None:
    """All wrong options come in one error, with the nearest right name."""
    with pytest.raises(ConfigError) as caught:
        recorded(settings(rot_path="/lake", size="big"))

    text = str(caught.value)
    assert text.startswith("The configuration is wrong, 3 faults:\n")
    assert "stores.dev.config.root_path: is needed and not set." in text
    assert "stores.dev.config.rot_path: there is no setting 'rot_path'." in text
    assert "Did you mean 'root_path'?" in text
    assert "stores.dev.config.size: wanted a whole number, got 'big'." in text


def test_a_wrong_common_setting_is_told_where_it_is_set() -> None:
    """A store that refuses a common setting points at that setting, not at its own options."""
    config = MetaxyConfig.load(
        overrides={"stores": {"dev": {"type": RECORDING, "config": {"root_path": "/lake"}}}},
        environment={"METAXY_HASH_ALGORITHM": "sha257"},
    )

    with pytest.raises(ConfigError) as caught:
        recorded(config)

    assert str(caught.value).startswith("The configuration is wrong: METAXY_HASH_ALGORITHM: ")
    assert "got 'sha257'" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "delat",
            "argument: stores.dev.type: 'delat' is no kind of store. Did you mean 'delta'? Known: "
            "'delta', or the import path of a class: 'package.module.Class'.",
        ),
        (
            "no_such_module.Store",
            "argument: stores.dev.type: 'no_such_module.Store' cannot be imported: No module named "
            "'no_such_module'.",
        ),
        (
            f"{__name__}.NO_STORE",
            f"argument: stores.dev.type: '{__name__}.NO_STORE' is no subclass of "
            "metaxy.MetadataStore.",
        ),
    ],
)
def test_a_type_must_name_a_store_class(kind: str, message: str) -> None:
    """A type that is no kind, can't be imported, or is no store, is refused with its place."""
    config = MetaxyConfig(stores={"dev": NamedStore(type=kind)})

    with pytest.raises(ConfigError) as caught:
        build_store(config)

    assert str(caught.value) == message
    assert caught.value.setting == "stores.dev.type"
