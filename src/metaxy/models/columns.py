"""The columns that a feature class declares, as values that outlive the class.

Types are told in a neutral text, which belongs to no engine: `string`, `binary`, `bool`, `date`,
`int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `timestamp[us, UTC]`,
`decimal(38,9)`, and of these `list<T>`, `map<string, T>` and `struct<name: T, …>`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from metaxy.errors import DefinitionError
from metaxy.models.column_types import ColumnType, UnknownColumnTypeError, column_type

__all__ = ["SYSTEM_COLUMN_PREFIX", "ColumnSpec", "ColumnType", "column_specs", "is_system_column"]

SYSTEM_COLUMN_PREFIX: Final = "metaxy_"


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A declared column of a feature's table.

    Attributes:
        dtype: As the module's docstring tells.
        nullable: Whether a record may lack the value.
    """

    name: str
    dtype: str
    nullable: bool = False
    description: str | None = None


def is_system_column(name: str) -> bool:
    """Tell names that only metaxy's own columns may have, in whatever case they are written."""
    return name.casefold().startswith(SYSTEM_COLUMN_PREFIX)


def column_specs(model: type[BaseModel]) -> tuple[ColumnSpec, ...]:
    """Read the columns off the fields of a model, in their order.

    Raises:
        DefinitionError: With every field whose name or annotation no column can have.
    """
    faults: list[str] = []
    columns: list[ColumnSpec] = []
    for name, info in model.model_fields.items():
        if is_system_column(name):
            faults.append(f"the column {name!r} begins with 'metaxy_', which is reserved")
        try:
            dtype, nullable = column_type(info.annotation, info.metadata)
        except UnknownColumnTypeError as error:
            faults.append(f"the column {name!r}: {error}")
        else:
            columns.append(ColumnSpec(name, dtype, nullable, info.description))
    faults.extend(_case_faults(model.model_fields))
    if faults:
        raise DefinitionError(f"The class {model.__qualname__} declares no valid table", faults)
    return tuple(columns)


def _case_faults(names: Mapping[str, object]) -> list[str]:
    """Tell columns that would be one where case is ignored, as Delta does."""
    first: dict[str, str] = {}
    faults: list[str] = []
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            faults.append(f"the columns {other!r} and {name!r} differ only by case")
    return faults
