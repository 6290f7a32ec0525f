"""`init_metaxy`: from nothing to settings in force, features declared, and stores at hand."""

import os
from dataclasses import dataclass
from typing import Any

from metaxy.config import MetaxyConfig
from metaxy.feature.registry import FeatureRegistry
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.active import set_default_store
from metaxy.metadata_store.base import MetadataStore
from metaxy.project.discovery import feature_modules, import_feature_modules
from metaxy.project.stores import build_store


@dataclass(frozen=True, slots=True)
class Project:
    """A project that is set up.

    Attributes:
        config: Its settings.
        modules: The names of the feature modules that were imported.
    """

    config: MetaxyConfig
    modules: tuple[str, ...]

    @property
    def graph(self) -> FeatureGraph:
        """The graph of all features declared by now; a `GraphError` lists its faults."""
        return FeatureRegistry.active().graph()

    def get_store(
        self,
        name: str | None = None,
        **runtime: Any,  # noqa: ANN401  whatever the store's own class takes
    ) -> MetadataStore:
        """Build a store by its name, by default the default one; see `build_store`."""
        return build_store(self.config, name, **runtime)


def init_metaxy(
    config: MetaxyConfig | str | os.PathLike[str] | None = None, *, search_parents: bool = True
) -> Project:
    """Set up the project: load its settings, put them in force, import its feature modules.

    May be called again: modules that are already imported are not imported anew.

    Args:
        config: Settings, or the file or folder to load them from; None: as `MetaxyConfig.load`
            finds them.
        search_parents: Whether to look for settings in the folders above, too.

    Raises:
        ConfigError: The settings are wrong.
        EntrypointError: Feature modules cannot be imported; names all of them. The settings are
            in force by then, so that a module may ask for them.
    """
    if not isinstance(config, MetaxyConfig):
        config = MetaxyConfig.load(config, search_parents=search_parents)
    MetaxyConfig.set(config)
    FeatureRegistry.active().default_project = config.project
    set_default_store(_default_store)
    modules = import_feature_modules(feature_modules(config), folder=config.folder)
    return Project(config, modules)


def _default_store() -> MetadataStore:
    """The default store by the settings in force, for code that is given none."""
    return build_store(MetaxyConfig.get())
