"""From Python annotations to the neutral texts of column types that `models.columns` tells."""

import re
import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Annotated, ForwardRef, Literal, NewType, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from typing_extensions import TypeAliasType, get_type_hints, is_typeddict

from metaxy.errors import DefinitionError, did_you_mean

# In this order, because bool is an int and datetime is a date.
_SCALARS: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int64"),
    (float, "float64"),
    (str, "string"),
    (bytes, "binary"),
    (datetime, "timestamp[us, UTC]"),
    (date, "date"),
    (Decimal, "decimal(38,9)"),
    (UUID, "string"),
    (PurePath, "string"),
)
_SEQUENCES = (Sequence, AbstractSet)
_EXAMPLES: Mapping[type, str] = {
    list: "list[str]",
    tuple: "tuple[str, ...]",
    set: "set[str]",
    frozenset: "frozenset[str]",
    dict: "dict[str, str]",
}
_SCALAR_NAMES = frozenset(
    {"string", "binary", "bool", "date", "float32", "float64", "timestamp[us, UTC]"}
    | {"timestamp[us]", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)
_MAX_DIGITS = 38
_DECIMAL = re.compile(r"decimal\((?P<digits>\d+),(?P<scale>\d+)\)")


class UnknownColumnTypeError(ValueError):
    """No column can hold what the annotation says; says why and what to do."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column where the annotation's own is not meant.

    `width: Annotated[int, ColumnType("int32")]` makes the column an `int32`.

    Raises:
        DefinitionError: There is no such type.
    """

    dtype: str

    def __post_init__(self) -> None:
        if not is_dtype(self.dtype):
            guess = did_you_mean(self.dtype, {*_SCALAR_NAMES, "decimal(38,9)", "list<string>"})
            raise DefinitionError(f"There is no column type {self.dtype!r}.{guess}")


def is_dtype(text: str) -> bool:
    """Tell whether the text is the name of a column type, written in the one way that it has."""
    decimal = _DECIMAL.fullmatch(text)
    if decimal is not None:
        scale, digits = int(decimal["scale"]), int(decimal["digits"])
        return scale <= digits and 1 <= digits <= _MAX_DIGITS
    kind, bracket, inner = text.partition("<")
    if not bracket or not inner.endswith(">"):
        return text in _SCALAR_NAMES
    inner = inner[:-1]
    if kind == "list":
        return is_dtype(inner)
    if kind == "map":
        return inner.startswith("string, ") and is_dtype(inner.removeprefix("string, "))
    fields = [field.partition(": ") for field in split_fields(inner)]
    return kind == "struct" and all(name and is_dtype(dtype) for name, _, dtype in fields)


def column_type(annotation: object, metadata: Sequence[object] = ()) -> tuple[str, bool]:
    """Give the type of a column and whether it may be null.

    Args:
        annotation: What the class says; None (as pydantic has it) is no annotation.
        metadata: What stood beside it in `Annotated`.

    Raises:
        UnknownColumnTypeError: No column can hold that.
    """
    annotation, nullable = _without_none(annotation)
    override = _override(metadata)
    return override or _dtype(annotation, ()), nullable


def _dtype(annotation: object, inside: tuple[object, ...]) -> str:
    """Give the type for an annotation; `inside` are the models around it."""
    annotation, _ = _without_none(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return _override(metadata) or _dtype(inner, inside)
    if isinstance(annotation, NewType):
        return _dtype(annotation.__supertype__, inside)
    if isinstance(annotation, TypeAliasType) or hasattr(annotation, "__value__"):
        return _dtype(cast("TypeAliasType", annotation).__value__, inside)
    if origin is Literal:
        return _type_of_values(get_args(annotation), annotation)
    if isinstance(origin, type):
        return _container(origin, annotation, inside)
    if isinstance(annotation, type):
        return _class(annotation, inside)
    if isinstance(annotation, str | ForwardRef):
        raise UnknownColumnTypeError(f"{annotation!r} is not defined where the class is")
    raise _unknown(annotation)


def _class(cls: type[object], inside: tuple[object, ...]) -> str:
    if issubclass(cls, Enum):
        return _type_of_values([cast("object", member.value) for member in cls], cls)
    scalar = next((dtype for kind, dtype in _SCALARS if issubclass(cls, kind)), None)
    if scalar is not None:
        return scalar
    if cls in _EXAMPLES:
        raise UnknownColumnTypeError(
            f"{cls.__name__} doesn't say of what: write {_EXAMPLES[cls]}, say"
        )
    if not (issubclass(cls, BaseModel) or is_typeddict(cls)):
        raise _unknown(cls)
    if cls in inside:
        raise UnknownColumnTypeError(f"{cls.__name__} contains itself, which no column can")
    hints: Mapping[str, object] = get_type_hints(cls, include_extras=True)
    names = list(cls.model_fields) if issubclass(cls, BaseModel) else list(hints)
    if not names:
        raise UnknownColumnTypeError(f"{cls.__name__} has no fields, which no struct can")
    fields = (f"{name}: {_dtype(hints[name], (*inside, cls))}" for name in names)
    return f"struct<{', '.join(fields)}>"


def _container(origin: type, annotation: object, inside: tuple[object, ...]) -> str:
    arguments = [each for each in get_args(annotation) if each is not Ellipsis]
    if issubclass(origin, Mapping) and len(arguments) == 2:  # noqa: PLR2004 — key and value
        key, value = (_dtype(each, inside) for each in arguments)
        if key != "string":
            raise UnknownColumnTypeError(f"{_shown(annotation)} has keys that are not texts")
        return f"map<string, {value}>"
    items = {_dtype(each, inside) for each in arguments}
    if issubclass(origin, _SEQUENCES) and len(items) == 1:
        return f"list<{items.pop()}>"
    raise _unknown(annotation)


def _type_of_values(values: Sequence[object], annotation: object) -> str:
    """Give the type of the members of an Enum or of a Literal, if they have one type."""
    kinds = {type(value) for value in values if value is not None}
    for kind, dtype in _SCALARS:
        if kinds == {kind}:
            return dtype
    raise UnknownColumnTypeError(f"{_shown(annotation)} has values of several types, or none")


def _without_none(annotation: object) -> tuple[object, bool]:
    """Take None out of a union of one type and None, or out of a Literal."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, nullable = _without_none(arguments[0])
        return (Annotated[(inner, *arguments[1:])] if nullable else annotation), nullable
    if origin is Literal:
        return annotation, None in arguments
    if origin not in (Union, types.UnionType):
        return annotation, False
    others = [each for each in arguments if each is not type(None)]
    if len(others) > 1:
        raise UnknownColumnTypeError(
            f"{_shown(annotation)} is one of several types; a column is one"
        )
    return others[0], len(others) < len(arguments)


def _override(metadata: Sequence[object]) -> str | None:
    return next((each.dtype for each in metadata if isinstance(each, ColumnType)), None)


def _unknown(annotation: object) -> UnknownColumnTypeError:
    return UnknownColumnTypeError(
        f"{_shown(annotation)} has no column type; say which is meant: "
        f'Annotated[{_shown(annotation)}, ColumnType("string")]'
    )


def _shown(annotation: object) -> str:
    if annotation is None:
        return "None"
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def split_fields(text: str) -> list[str]:
    """Give the fields in a struct's text, which commas outside all brackets separate."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<[(") - (character in ">])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
