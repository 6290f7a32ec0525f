"""Nodes: the logic that computes the rows of one table, and nothing of what the table is."""

from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import narwhals as nw
from narwhals.typing import IntoFrame

from metaxy.errors import DefinitionError
from metaxy.meta_tables.configuration import (
    DataNodeConfiguration,
    enter_hash_namespace,
    hash_namespace,
    namespace_in_force,
    storage_classes_in,
    update_hash,
)
from metaxy.meta_tables.persisting import PersistManager
from metaxy.meta_tables.running import run_nodes
from metaxy.meta_tables.statistics import UpdateStatistics
from metaxy.meta_tables.storage import StorageClass
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.writing import WriteResult

_OF_THE_STORAGE: Final = ("get_table_metadata", "get_column_metadata")


class _NodeType(ABCMeta):
    """Makes sure that a node was set up by `DataNode.__init__`."""

    def __call__(cls, *args: Any, **options: Any) -> Any:  # noqa: ANN401 -- as `type` has it
        # Nodes that `__init__` makes, before it hands the argument on or after, are of its
        # namespace, too.
        with hash_namespace(namespace_in_force(options.get("hash_namespace"))):
            node = super().__call__(*args, **options)
        if "persist_manager" not in vars(node):
            raise TypeError(
                f"{cls.__name__}.__init__ doesn't call super().__init__(config, storage_table), so "
                "the node has no table"
            )
        return node


class DataNode(ABC, metaclass=_NodeType):
    """The base of nodes: subclasses implement `update`, and maybe `dependencies`.

    Args:
        config: What parametrises the logic.
        storage_table: The storage class of the table that is written.
        hash_namespace: As the function of that name; None takes that of the block around.
        store: By default the store of the innermost open block, or else the project's default one.

    Attributes:
        config: As given.
        storage_table: As given.
        update_hash: Names the logic with its parameters: the class, and a digest.
        persist_manager: Reads and writes the table.

    Raises:
        StorageNotRegisteredError: The table, or a storage class in the configuration, isn't
            registered as it is; nothing is created.
        TypeError: An argument is missing or of another kind.
    """

    def __init__(
        self,
        config: DataNodeConfiguration,
        storage_table: StorageClass,
        *,
        hash_namespace: str | None = None,
        store: MetadataStore | None = None,
    ) -> None:
        if not isinstance(config, DataNodeConfiguration):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
            raise TypeError(
                f"config is a {type(config).__name__}; give a DataNodeConfiguration"  # pyright: ignore[reportUnreachable] -- as above
            )
        manager = PersistManager(storage_table, store=store)
        contract = manager.contract
        manager.check_registered()
        for other in storage_classes_in(config):
            PersistManager(other, store=manager.store).check_registered(allow_fallback=True)
        self.config = config
        self.storage_table = storage_table
        self.persist_manager = manager
        self.hash_namespace = namespace_in_force(hash_namespace)
        enter_hash_namespace(self.hash_namespace)  # until the node is made
        self.update_hash = update_hash(
            type(self), config, project=contract.project, namespace=self.hash_namespace
        )
        self._statistics: Callable[[], UpdateStatistics] | None = None

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 -- those of the base
        super().__init_subclass__(**options)
        wrong = [name for name in _OF_THE_STORAGE if name in vars(cls)]
        if wrong:
            raise TypeError(
                f"{cls.__qualname__} defines {' and '.join(wrong)}: descriptions and labels are "
                "those of the storage class (__metatable_description__, and info={{…}} of a column)"
            )

    @abstractmethod
    def update(self) -> IntoFrame:
        """Compute rows: an increment of the table, by its contract.

        What `update_statistics` says may be skipped, but need not be: rows that are there already
        are not written again. Rows that are there and not in the frame stay.

        Returns:
            A frame of any library that Narwhals knows; without rows when there is nothing.
        """

    def dependencies(self) -> "Mapping[str, DataNode | StorageClass]":
        """Give what is read by `update`, by a name: nodes that run first, or storage classes.

        It is called before each run. Nodes made here have the hash namespace of this one.
        """
        return {}

    @property
    def store(self) -> MetadataStore:
        """The lake of the table."""
        return self.persist_manager.store

    @property
    def update_statistics(self) -> UpdateStatistics:
        """How far the table reaches; within a run, how far it reached when `update` was called."""
        if self._statistics is not None:
            return self._statistics()
        return self.persist_manager.update_statistics()

    def read(self, storage_table: StorageClass | None = None, **options: Any) -> nw.LazyFrame[Any]:  # noqa: ANN401 -- those of `PersistManager.read`
        """The current rows of the node's table, or of another storage class in the same lake.

        Args:
            options: As `PersistManager.read` takes them.
        """
        if storage_table is None:
            return self.persist_manager.read(**options)
        return PersistManager(storage_table, store=self.store).read(**options)

    def run(self, *, run_id: str | None = None, with_dependencies: bool = True) -> WriteResult:
        """Update the table, after what it depends on.

        Every node runs once, however many depend on it, and before those that do. A node that fails
        stops all that come after it; what was written before stays.

        Args:
            run_id: Names the run. A node whose rows were written by a run of this name before
                writes nothing. By default a new name.
            with_dependencies: Whether nodes among the dependencies run, too.

        Returns:
            What was written to the table of this node.

        Raises:
            ContractViolationError: A frame breaks its table's contract; nothing of it is written.
            DefinitionError: The nodes depend on one another in a circle.
        """
        return run_nodes(self, run_id=run_id, with_dependencies=with_dependencies)

    def needed(self) -> "Mapping[str, DataNode | StorageClass]":
        """What `dependencies` gives, in the hash namespace of this node.

        Raises:
            DefinitionError: It is no mapping from names to nodes and storage classes.
        """
        with hash_namespace(self.hash_namespace):
            found = self.dependencies()
        if not isinstance(found, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
            raise DefinitionError(
                f"{type(self).__name__}.dependencies() gave a {type(found).__name__}; give a "
                "mapping from names to nodes or storage classes"
            )
        return found

    def run_alone(self, *, run_id: str, idempotency_key: str) -> WriteResult:
        """Compute the rows and write them, whatever this node depends on."""
        self._statistics = self.persist_manager.statistics_as_of_now()
        try:
            frame = cast("IntoFrame | None", self.update())
        finally:
            self._statistics = None
        if frame is None:
            raise TypeError(
                f"{type(self).__name__}.update() gave None; give a frame, without rows when there "
                "is nothing to write"
            )
        return self.persist_manager.write(frame, run_id=run_id, idempotency_key=idempotency_key)

    def __repr__(self) -> str:
        table = self.persist_manager.contract.table_name
        return f"{type(self).__name__}({self.update_hash}, table '{table}')"
