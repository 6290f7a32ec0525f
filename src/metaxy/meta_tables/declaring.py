"""What a storage class says, read off the class: its table, its contract, and what is wrong."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from sqlalchemy import Column, Index, Table, UniqueConstraint

from metaxy.errors import DefinitionError, did_you_mean, listed
from metaxy.feature.registry import FeatureRegistry
from metaxy.meta_tables.naming import FIELD, MAX_LENGTH, table_key
from metaxy.meta_tables.sql_types import UnknownSqlTypeError, neutral_type
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


def refuse_derived(model: type) -> None:
    """Refuse a class below one with a table, whose contract would be that of both."""
    for base in model.__mro__[1:]:
        if "__table__" in vars(base):
            raise DefinitionError(
                f"The storage class {model.__qualname__} is derived from {base.__qualname__}, "
                "which has a table of its own. Derive both from a class with __abstract__ = True, "
                "or from a mixin with the columns that they share."
            )


def completed(model: type) -> FeatureDefinition:
    """Check a class that has just been declared, give it its index, and register its feature.

    Raises:
        DefinitionError: The class is wrong; has every reason. Its table is taken back.
    """
    table = table_of(model)
    try:
        faults = [*_class_faults(model), *_column_faults(table), *_index_faults(model, table)]
        if faults:
            raise DefinitionError(f"The storage class {model.__qualname__} is not valid", faults)
        definition = definition_of(model, default_project=None)
        FeatureRegistry.active().add(definition, has_own_project=False)
    except ValueError:
        table.metadata.remove(table)
        raise
    _add_unique_index(table, index_names(model))
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
    return {
        name: str(column.info[name]) for name in ("label", "description") if name in column.info
    }


def _class_faults(model: type) -> Iterable[str]:
    if not _said(model, "namespace"):
        yield "it needs __metatable_namespace__, a text that says what the table belongs to"
    if isinstance(_said(model, "labels"), str):
        yield "__metatable_labels__ is a text; write a list of texts"


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
        try:
            neutral_type(column.type)
        except UnknownSqlTypeError as error:
            yield f"the column {name!r}: {error}"


def _index_faults(model: type, table: Table) -> Iterable[str]:
    names, time_index = index_names(model), time_index_name(model)
    if not names:
        yield "it needs __index_names__, the columns that together name a row"
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"__index_names__ has {name!r} {names.count(name)} times"
        if name not in table.c:
            known = list(table.c.keys())
            yield (
                f"the index column {name!r} is missing; the columns are {listed(known)}."
                f"{did_you_mean(name, known)}"
            )
        elif table.c[name].nullable:
            yield f"the index column {name!r} may be null, but it names rows: nullable=False"
    if time_index is None:
        return
    if names and names[0] != time_index:
        yield (
            f"the time index {time_index!r} must be the first of __index_names__, which are "
            f"{listed(names)}"
        )
    if time_index in table.c and not _is_temporal(table.c[time_index]):
        yield (
            f"the time index {time_index!r} is {table.c[time_index].type!r}, which is no time: use "
            "DateTime(timezone=True) or Date"
        )


def _is_temporal(column: Column[Any]) -> bool:
    try:
        return neutral_type(column.type) in _TEMPORAL
    except UnknownSqlTypeError:
        return True  # told as what is wrong with the column


def _add_unique_index(table: Table, names: Sequence[str]) -> None:
    """Let SQL databases, too, have one row a name; Delta has no indexes."""
    wanted = set(names)
    sets = [set(index.columns.keys()) for index in table.indexes if index.unique]
    sets += [
        set(constraint.columns.keys())
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    sets.append(set(table.primary_key.columns.keys()))
    if wanted not in sets:
        name = f"uq_{table.name}"[:MAX_LENGTH]
        Index(name, *(table.c[each] for each in names), unique=True)
