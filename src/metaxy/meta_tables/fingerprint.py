"""The fingerprint of a storage class: what a change of it would mean for data or for programs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, UniqueConstraint

from metaxy.errors import DefinitionError
from metaxy.hashing import Encodable, digest
from metaxy.meta_tables.declaring import index_names, table_of, time_index_name
from metaxy.meta_tables.sql_types import neutral_type
from metaxy.meta_tables.storage import StorageClass, is_storage_class

DOMAIN: Final = "metaxy/meta-table-contract/1"


def compute_metatable_contract_hash(
    model: StorageClass,
    *,
    include_table_name: bool = True,
    extra_components: Mapping[str, Encodable] | Sequence[Encodable] | None = None,
) -> str:
    """Give the fingerprint of a storage class, 64 hex digits; it is no identity.

    In it are the namespace, the table's name, the columns (position, name, type, nullability, key,
    unique), the indexes and foreign keys without their own names, the time index and the grain.
    Texts (identifier, description, labels, provisioning, column info) and where the class stands
    are not.

    Args:
        include_table_name: Without it, classes that differ only by their table agree.
        extra_components: Whatever else shall make a difference.

    Raises:
        DefinitionError: It is no storage class with a table.
    """
    if not is_storage_class(model):
        raise DefinitionError(f"{model!r} is no storage class with a table")
    table = table_of(model)
    said: dict[str, Encodable] = {
        "namespace": model.__metatable_namespace__,
        "columns": [_column(position, each) for position, each in enumerate(table.columns)],
        "indexes": _sorted(_indexes(table)),
        "foreign_keys": _sorted(
            _foreign_key(each, table) for each in table.foreign_key_constraints
        ),
        "time_index": time_index_name(model),
        "grain": list(index_names(model)),
        "extra": extra_components,
    }
    if include_table_name:
        said["table_name"] = table.name
    return digest(DOMAIN, said)


def _column(position: int, column: Column[Any]) -> Encodable:
    return [
        position,
        column.name,
        neutral_type(column.type),
        bool(column.nullable),
        bool(column.primary_key),
        bool(column.unique),
    ]


def _indexes(table: Table) -> Iterable[Encodable]:
    for index in table.indexes:
        yield _index(index)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [True, [column.name for column in constraint.columns]]


def _index(index: Index) -> Encodable:
    expressions = [getattr(each, "name", None) or str(each) for each in index.expressions]
    return [bool(index.unique), expressions]


def _foreign_key(constraint: ForeignKeyConstraint, table: Table) -> Encodable:
    """A foreign key; one into the own table doesn't say the table's name."""
    targets = [element.target_fullname for element in constraint.elements]
    own = f"{table.name}."
    return [
        [column.name for column in constraint.columns],
        [f".{target[len(own) :]}" if target.startswith(own) else target for target in targets],
        constraint.ondelete,
        constraint.onupdate,
        constraint.deferrable,
        constraint.initially,
    ]


def _sorted(values: Iterable[Encodable]) -> list[Encodable]:
    """In an order that depends on nothing but the values."""
    return sorted(values, key=lambda value: digest(DOMAIN, value))
