"""The project and the store that a command works on."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.session import AccessMode
from metaxy.project import Project, init_metaxy
from metaxy.project.features import known_features


@dataclass(frozen=True, slots=True)
class OpenStore:
    """An open store, with the features of the code; `graph` may be without any."""

    project: Project
    name: str
    store: MetadataStore
    graph: FeatureGraph


@contextmanager
def opened_store(
    name: str | None, mode: AccessMode = "read", *, needs_features: bool = True
) -> Generator[OpenStore]:
    """Set up the project, and open one of its stores for the length of a block.

    Args:
        name: As configured; None: the default store.
        mode: "write" to change something.
        needs_features: Refuse a project without any.
    """
    project = init_metaxy()
    store = project.get_store(name)
    graph = known_features(project) if needs_features else project.graph
    with store.open(mode):
        yield OpenStore(project, project.config.store if name is None else name, store, graph)
