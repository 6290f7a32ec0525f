"""What a storage class says, read off the class: its table, its contract, and what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Column, Index, Table, UniqueConstraint
from sqlalchemy.orm import registry as Registry  # noqa: N812 -- a class with the name of a value

from metaxy.errors import DefinitionError, did_you_mean, listed
from metaxy.feature.registry import FeatureRegistry
from metaxy.meta_tables.naming import FIELD, MAX_LENGTH, table_key
from metaxy.meta_tables.sql_types import UnknownSqlTypeError, neutral_type
from metaxy.metadata_store.column_types import id_refusal, polars_type
from metaxy.models.columns import ColumnSpec, is_system_column
from metaxy.models.contract import TableContract
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.frozen import FrozenMap

RESERVED_NAMES: Final = frozenset({"definition", "register", "spec"})
"""Names that mean something on a storage class and so can't be columns."""
_TEMPORAL: Final = ("timestamp[us, UTC]", "date")


def table_of(model: object) -> Table:
    """The SQLAlchemy table of a storage class."""
    return cast("Table", vars(model)["__table__"])


def columns_of(model: object) -> dict[str, Column[Any]]:
    """The columns of a storage class by the names that they have in the table.

    Attributes of the class, and keys that SQLAlchemy knows columns by, may be others.
    """
    return {column.name: column for column in table_of(model).columns}


def class_path(model: type) -> str:
    """Where a class is, as `module.Name`."""
    return f"{model.__module__}.{model.__qualname__}"


def time_index_name(model: object) -> str | None:
    """The name of the column that has the time; None for a table without one."""
    name: str | None = getattr(model, "__time_index_name__", None)
    return name


def index_names(model: object) -> tuple[str, ...]:
    """The columns that name a row, as the class says or by default."""
    given: Sequence[str] = getattr(model, "__index_names__", ())
    if isinstance(given, str):
        return (given,)
    if given:
        return tuple(given)
    time_index = time_index_name(model)
    if time_index is not None:
        return (time_index,)
    return tuple(column.name for column in table_of(model).primary_key.columns)


def naming_columns(model: object) -> list[Column[Any]]:
    """What SQLAlchemy is to tell rows apart by, for a class without a primary key.

    All columns, where those of the index aren't there: so that the class comes as far as the check
    that tells what is wrong with it.

    Raises:
        DefinitionError: There are no columns.
    """
    columns = columns_of(model)
    if not columns:
        table = table_of(model)
        table.metadata.remove(table)
        raise DefinitionError(f"The storage class of the table '{table.name}' has no columns")
    return [columns[name] for name in index_names(model) if name in columns] or [*columns.values()]


def refuse_derived(model: type) -> None:
    """Refuse a class below one with a table, whose contract would be that of both."""
    for base in model.__mro__[1:]:
        if "__table__" in vars(base):
            raise DefinitionError(
                f"The storage class {model.__qualname__} is derived from {base.__qualname__}, "
                "which has a table of its own. Derive both from a class with __abstract__ = True, "
                "or from a mixin with the columns that they share."
            )


def refuse_second(model: type) -> None:
    """Refuse a class whose table another class of the same declarative base has."""
    name, registry = vars(model).get("__tablename__"), getattr(model, "registry", None)
    if not isinstance(registry, Registry) or "__table__" in vars(model):
        return
    others = [
        mapper.class_
        for mapper in registry.mappers
        if isinstance(mapper.local_table, Table)
        and registry.metadata.tables.get(str(name)) is mapper.local_table
    ]
    if not others:
        return
    if class_path(others[0]) == class_path(model):
        raise DefinitionError(
            f"The storage class {class_path(model)} is declared a second time on one declarative "
            "base, which holds its table already: declare the base anew, too"
        )
    raise DefinitionError(
        f"The table name {name!r} is that of two classes: {class_path(others[0])} and "
        f"{class_path(model)}. Give one another name."
    )


def completed(model: type) -> FeatureDefinition:
    """Check a class that has just been declared, give it its index, and register its feature.

    Raises:
        DefinitionError: The class is wrong; has every reason. Its table is taken back.
    """
    table = table_of(model)
    try:
        faults = [*_class_faults(model), *_column_faults(table), *_index_faults(model)]
        if faults:
            raise DefinitionError(f"The storage class {model.__qualname__} is not valid", faults)
        definition = definition_of(model, default_project=None)
        FeatureRegistry.active().add(definition, has_own_project=False)
    except ValueError:
        table.metadata.remove(table)
        raise
    _add_unique_index(model)
    return definition


def definition_of(model: type, *, default_project: str | None) -> FeatureDefinition:
    """The feature that a storage class is, with its contract."""
    contract = _contract(model, default_project or model.__module__.partition(".")[0])
    return FeatureDefinition(
        FeatureSpec(
            contract.key,
            id_columns=contract.grain,
            fields=[FIELD],
            description=contract.description,
            tags=contract.labels,
        ),
        contract.project,
        contract.columns,
        class_path=class_path(model),
        table=contract,
    )


def _contract(model: type, project: str) -> TableContract:
    table = table_of(model)
    key = table_key(table.name)
    said = {column.name: _info(column) for column in table.columns}
    return TableContract(
        key=key,
        project=project,
        columns=tuple(
            ColumnSpec(
                column.name,
                neutral_type(column.type),
                bool(column.nullable),
                said[column.name].get("description"),
            )
            for column in table.columns
        ),
        grain=index_names(model),
        time_index=time_index_name(model),
        is_closed=True,
        identifier=_said(model, "identifier") or ".".join(key.parts),
        namespace=_said(model, "namespace"),
        description=_said(model, "description") or None,
        labels=tuple(_said(model, "labels")),
        column_labels=FrozenMap(
            {name: info["label"] for name, info in said.items() if info.get("label")}
        ),
        provisioning=FrozenMap(_said(model, "provisioning")),
    )


def _said(model: type, what: str) -> Any:  # noqa: ANN401 -- whatever the class says
    return getattr(model, f"__metatable_{what}__", None)


def _info(column: Column[Any]) -> dict[str, str]:
    said = {name: column.info.get(name) for name in ("label", "description")}
    return {name: str(text) for name, text in said.items() if text is not None}


def _class_faults(model: type) -> Iterable[str]:
    if not str(_said(model, "namespace") or "").strip():
        yield "it needs __metatable_namespace__, a text that says what the table belongs to"
    if isinstance(_said(model, "labels"), str):
        yield "__metatable_labels__ is a text; write a list of texts"
    if not isinstance(_said(model, "provisioning"), Mapping):
        yield "__metatable_provisioning__ is no mapping"
    yield from (
        f"__index_names__ has {name!r}, which is no text"
        for name in index_names(model)
        if not isinstance(name, str)  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
    )


def _column_faults(table: Table) -> Iterable[str]:
    first: dict[str, str] = {}
    for column in table.columns:
        name = column.name
        other = first.setdefault(name.casefold(), name)
        if other != name:
            yield f"the columns {other!r} and {name!r} differ only by case, which Delta ignores"
        if is_system_column(name):
            yield f"the column {name!r} begins with 'metaxy_', which is reserved"
        if name in RESERVED_NAMES:
            yield f"the column {name!r} is called like an attribute of every storage class"
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            yield f"the column {name!r} is called like a pattern that selects columns"
        try:
            neutral_type(column.type)
        except UnknownSqlTypeError as error:
            yield f"the column {name!r}: {error}"


def _index_faults(model: type) -> Iterable[str]:
    names, time_index, columns = index_names(model), time_index_name(model), columns_of(model)
    if not names:
        yield "it needs __index_names__, the columns that together name a row"
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"__index_names__ has {name!r} {names.count(name)} times"
        if name not in columns:
            yield (
                f"the index column {name!r} is missing; the columns are {listed(columns)}."
                f"{did_you_mean(str(name), columns)}"
            )
        else:
            yield from _naming_faults(columns[name])
    if time_index is None:
        return
    if names and names[0] != time_index:
        yield (
            f"the time index {time_index!r} must be the first of __index_names__, which are "
            f"{listed(names)}"
        )
    if time_index in columns and not _is_temporal(columns[time_index]):
        yield (
            f"the time index {time_index!r} is {columns[time_index].type!r}, which is no time: use "
            "DateTime(timezone=True) or Date"
        )


def _naming_faults(column: Column[Any]) -> Iterable[str]:
    """Why a column can't be one of those that name a row."""
    if column.nullable:
        yield f"the index column {column.name!r} may be null, but it names rows: nullable=False"
    try:
        refused = id_refusal(column.name, polars_type(neutral_type(column.type)))
    except UnknownSqlTypeError:
        return  # told as what is wrong with the column
    if refused is not None:
        yield refused


def _is_temporal(column: Column[Any]) -> bool:
    try:
        return neutral_type(column.type) in _TEMPORAL
    except UnknownSqlTypeError:
        return True  # told as what is wrong with the column


def _add_unique_index(model: type) -> None:
    """Let SQL databases, too, have one row a name; Delta has no indexes."""
    table, columns, names = table_of(model), columns_of(model), index_names(model)
    unique = [
        *(index.columns for index in table.indexes if index.unique),
        *(each.columns for each in table.constraints if isinstance(each, UniqueConstraint)),
        table.primary_key.columns,
    ]
    if set(names) not in [{column.name for column in each} for each in unique]:
        Index(f"uq_{table.name}"[:MAX_LENGTH], *(columns[name] for name in names), unique=True)
