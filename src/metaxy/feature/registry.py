"""The features that classes have declared, and the graph that they make.

Declaring a class only puts its definition here; nothing is checked across features until a graph
is asked for. Importing this module makes the registry in use the source of the active graph.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from threading import RLock

from metaxy.errors import DefinitionError
from metaxy.graph.active import set_default_provider
from metaxy.graph.graph import FeatureGraph
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey

_in_use: ContextVar[FeatureRegistry | None] = ContextVar("metaxy_registry", default=None)


class FeatureRegistry:
    """Definitions by key, in which a later declaration of the same class replaces the earlier.

    Args:
        default_project: The project of features whose class names none, usually from the
            configuration; None leaves each with the top-level package that it is declared in.
    """

    def __init__(self, *, default_project: str | None = None) -> None:
        self._default_project = default_project
        self._declared: dict[FeatureKey, tuple[FeatureDefinition, bool]] = {}
        self._graph: FeatureGraph | None = None
        # Modules of features may be imported from several threads.
        self._lock = RLock()

    @classmethod
    def active(cls) -> FeatureRegistry:
        """Give the registry of the innermost `use` block, or else the one of the process."""
        in_use = _in_use.get()
        return _of_process if in_use is None else in_use

    @property
    def default_project(self) -> str | None:
        """The project of features whose class names none."""
        return self._default_project

    @default_project.setter
    def default_project(self, project: str | None) -> None:
        with self._lock:
            self._default_project = project
            self._graph = None

    @property
    def definitions(self) -> tuple[FeatureDefinition, ...]:
        """All definitions, sorted by key, each with the project that it has here."""
        with self._lock:
            declared = [self._declared[key] for key in sorted(self._declared)]
            return tuple(
                definition if has_own_project else self._in_project(definition)
                for definition, has_own_project in declared
            )

    def add(self, definition: FeatureDefinition, *, has_own_project: bool = True) -> None:
        """Register a definition.

        Args:
            definition: What a class declares.
            has_own_project: Whether its project stands whatever `default_project` is.

        Raises:
            DefinitionError: A class of another name has declared a feature of this key.
        """
        with self._lock:
            earlier = self._declared.get(definition.key)
            if earlier is not None and earlier[0].class_path != definition.class_path:
                raise DefinitionError(
                    f"Two classes declare the feature '{definition.key}': "
                    f"{earlier[0].class_path} and {definition.class_path}. Give one another key."
                )
            self._declared[definition.key] = (definition, has_own_project)
            self._graph = None

    def graph(self) -> FeatureGraph:
        """Give the graph of all definitions, made anew when one was added.

        Raises:
            GraphError: The definitions do not fit together.
        """
        with self._lock:
            if self._graph is None:
                self._graph = FeatureGraph.from_definitions(self.definitions)
            return self._graph

    @contextmanager
    def use(self) -> Generator[FeatureRegistry]:
        """Let classes declared inside the block register here, and make this the active graph.

        Threads that are started inside the block do not see it.
        """
        token = _in_use.set(self)
        try:
            yield self
        finally:
            _in_use.reset(token)

    def _in_project(self, definition: FeatureDefinition) -> FeatureDefinition:
        if self._default_project is None:
            return definition
        return replace(definition, project=self._default_project)

    def __len__(self) -> int:
        return len(self._declared)

    def __contains__(self, key: object) -> bool:
        return key in self._declared

    def __repr__(self) -> str:
        return f"FeatureRegistry({len(self)} features, default_project={self._default_project!r})"


_of_process = FeatureRegistry()


def _active_graph() -> FeatureGraph:
    return FeatureRegistry.active().graph()


set_default_provider(_active_graph)
