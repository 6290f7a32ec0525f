"""Storage-first tables: classes that own a table's contract, and nodes that update it.

A storage class says what a table is: its name, its columns, what names a row. `metaxy migrations
upgrade` creates the table. A `DataNode` has nothing but the logic that computes rows; it writes
what is new or different of them through the same store as every feature.

Storage classes need SQLAlchemy: `pip install 'metaxy-lake[sqlalchemy]'`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from metaxy.errors import EntrypointError

if TYPE_CHECKING:
    from metaxy.errors import ContractViolationError, StorageNotRegisteredError
    from metaxy.meta_tables.configuration import DataNodeConfiguration, hash_namespace
    from metaxy.meta_tables.fingerprint import compute_metatable_contract_hash
    from metaxy.meta_tables.migration import MetaTableMigration
    from metaxy.meta_tables.naming import schema_table_name
    from metaxy.meta_tables.node import DataNode
    from metaxy.meta_tables.persisting import PersistManager
    from metaxy.meta_tables.statistics import UpdateStatistics
    from metaxy.meta_tables.storage import PlatformManagedMetaTable, PlatformTimeIndexMetaTable

_MODULE_OF = {
    "ContractViolationError": "metaxy.errors",
    "DataNode": "metaxy.meta_tables.node",
    "DataNodeConfiguration": "metaxy.meta_tables.configuration",
    "MetaTableMigration": "metaxy.meta_tables.migration",
    "PersistManager": "metaxy.meta_tables.persisting",
    "PlatformManagedMetaTable": "metaxy.meta_tables.storage",
    "PlatformTimeIndexMetaTable": "metaxy.meta_tables.storage",
    "StorageNotRegisteredError": "metaxy.errors",
    "UpdateStatistics": "metaxy.meta_tables.statistics",
    "compute_metatable_contract_hash": "metaxy.meta_tables.fingerprint",
    "hash_namespace": "metaxy.meta_tables.configuration",
    "schema_table_name": "metaxy.meta_tables.naming",
}

__all__ = [
    "ContractViolationError",
    "DataNode",
    "DataNodeConfiguration",
    "MetaTableMigration",
    "PersistManager",
    "PlatformManagedMetaTable",
    "PlatformTimeIndexMetaTable",
    "StorageNotRegisteredError",
    "UpdateStatistics",
    "compute_metatable_contract_hash",
    "hash_namespace",
    "schema_table_name",
]


if not TYPE_CHECKING:  # to a checker, a misspelt name must not look like one that is found here

    def __getattr__(name: str) -> object:
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(
                f"module 'metaxy.meta_tables' has no attribute {name!r}", name=name, obj=None
            )
        try:
            value: object = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "sqlalchemy":
                raise
            raise EntrypointError(
                "Storage classes need SQLAlchemy: pip install 'metaxy-lake[sqlalchemy]'.",
                entrypoint=module,
            ) from error
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
