"""Stores from settings: the class by its type, the options by its model, fallbacks by name."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from metaxy.config import MetaxyConfig
from metaxy.errors import ConfigError, did_you_mean, listed
from metaxy.metadata_store.base import MetadataStore

STORE_TYPES: Mapping[str, str] = {"delta": "metaxy.metadata_store.delta.DeltaMetadataStore"}
"""Short names for `type`; any other type is an import path."""


def build_store(
    config: MetaxyConfig,
    name: str | None = None,
    **runtime: Any,  # noqa: ANN401  whatever the store's own class takes
) -> MetadataStore:
    """Build a store and, behind it, its fallbacks; nothing is opened.

    Args:
        config: Where stores are looked up. It holds no circle of fallbacks: that is checked when
            it is made.
        name: A store's name; by default that of the default store.
        runtime: What is not in any configuration, e.g. `materialization_id`; goes to the store
            itself and not to its fallbacks.

    Raises:
        ConfigError: There is no such store or no such class, or options that the class refuses.
    """
    name = config.store if name is None else name
    kind = store_class(config, name)
    model = kind.config_model()
    options = config.options(name)
    try:
        settings = model.model_validate(options)
    except ValidationError as error:
        raise config.option_error(name, error, model) from None
    arguments: dict[str, Any] = {
        "fallback_stores": [build_store(config, other) for other in settings.fallback_stores]
    }
    if config.project is not None:  # then the store refuses writes to other projects' features
        arguments["project"] = config.project
    return kind.from_config(settings, **(arguments | runtime))


def store_name(config: MetaxyConfig, name: str, place: Sequence[int]) -> str:
    """The name of a store in the chain that `build_store` makes of a named one.

    Args:
        place: As `metaxy.metadata_store.chain.Scan` has it.
    """
    for index in place:
        model = store_class(config, name).config_model()
        name = model.model_validate(config.options(name)).fallback_stores[index]
    return name


def store_class(config: MetaxyConfig, name: str) -> type[MetadataStore]:
    """Give the class that the type of a store names.

    Raises:
        ConfigError: The type names no class, or one that is no store.
    """
    given = config.named_store(name).type
    where = f"{config.source('stores', name, 'type')}: stores.{name}.type"
    path = STORE_TYPES.get(given, given).replace(":", ".")
    module_name, _, class_name = path.rpartition(".")
    if not module_name:
        known = listed(sorted(STORE_TYPES))
        raise ConfigError(
            f"{where}: {given!r} is no kind of store.{did_you_mean(given, STORE_TYPES)} Known: "
            f"{known}, or the import path of a class: 'package.module.Class'.",
            setting=f"stores.{name}.type",
        )
    try:
        found: object = getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{where}: {given!r} cannot be imported: {error}.", setting=f"stores.{name}.type"
        ) from error
    if not (isinstance(found, type) and issubclass(found, MetadataStore)):
        raise ConfigError(
            f"{where}: {given!r} is no subclass of metaxy.MetadataStore.",
            setting=f"stores.{name}.type",
        )
    return found
