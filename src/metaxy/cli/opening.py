"""The project and the store that a command works on."""

import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime

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


def loaded_project() -> Project:
    """Set up the project; what its modules print on import goes where messages go.

    stdout is for what was asked for, which may be JSON that a program reads.
    """
    with redirect_stdout(sys.stderr):
        return init_metaxy()


@contextmanager
def opened_store(
    name: str | None,
    mode: AccessMode = "read",
    *,
    needs_features: bool = True,
    moment: datetime | str | None = None,
) -> Generator[OpenStore]:
    """Set up the project, and open one of its stores for the length of a block.

    Args:
        name: As configured; None: the default store.
        mode: "write" to change something.
        needs_features: Refuse a project without any.
        moment: See the store as it was then.
    """
    project = loaded_project()
    store = project.get_store(name)
    graph = known_features(project) if needs_features else project.graph
    with store.open(mode):
        seen = store if moment is None else store.as_of(moment)
        yield OpenStore(project, project.config.store if name is None else name, seen, graph)
