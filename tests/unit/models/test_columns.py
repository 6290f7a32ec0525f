"""Columns that a class declares: from annotations to neutral types."""

import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, PositiveInt, create_model
from typing_extensions import TypedDict

from metaxy.errors import DefinitionError
from metaxy.models.columns import ColumnSpec, ColumnType, column_specs, is_system_column


class Codec(StrEnum):
    """An Enum of texts."""

    H264 = "h264"


class Level(IntEnum):
    """An Enum of numbers."""

    LOW = 1


class Mixed(Enum):
    """An Enum of no one type."""

    A = 1
    B = "b"


class Box(BaseModel):
    """A nested model."""

    x: int
    label: str | None = None


class Point(TypedDict):
    """A nested dictionary."""

    x: float
    y: Annotated[float, ColumnType("float32")]


class Tree(BaseModel):
    """A model that contains itself."""

    children: "list[Tree]"


Meters = NewType("Meters", float)


def columns_of(annotation: object) -> tuple[ColumnSpec, ...]:
    """Declare one column `c` of an annotation."""
    model = create_model("Model", c=(annotation, ...))  # pyright: ignore[reportArgumentType]
    return column_specs(model)


@pytest.mark.parametrize(
    ("annotation", "dtype"),
    [
        (str, "string"),
        (int, "int64"),
        (float, "float64"),
        (bool, "bool"),
        (bytes, "binary"),
        (date, "date"),
        (datetime, "timestamp[us, UTC]"),
        (Decimal, "decimal(38,9)"),
        (UUID, "string"),
        (Path, "string"),
        (Literal["a", "b"], "string"),
        (Literal[1, 2], "int64"),
        (Codec, "string"),
        (Level, "int64"),
        (PositiveInt, "int64"),
        (Meters, "float64"),
        (list[str], "list<string>"),
        (tuple[int, ...], "list<int64>"),
        (tuple[float, float], "list<float64>"),
        (set[date], "list<date>"),
        (Sequence[list[int]], "list<list<int64>>"),
        (dict[str, float], "map<string, float64>"),
        (Box, "struct<x: int64, label: string>"),
        (list[Point], "list<struct<x: float64, y: float32>>"),
        (Annotated[int, ColumnType("int32")], "int32"),
        (Annotated[datetime, ColumnType("timestamp[us]")], "timestamp[us]"),
        (Annotated[timedelta, ColumnType("int64")], "int64"),
        (list[Annotated[int, ColumnType("uint8")]], "list<uint8>"),
    ],
)
def test_an_annotation_has_one_neutral_type(annotation: object, dtype: str) -> None:
    """Golden texts: they are stored in snapshots."""
    assert columns_of(annotation) == (ColumnSpec("c", dtype, nullable=False),)


@pytest.mark.parametrize(
    ("annotation", "dtype"),
    [
        (int | None, "int64"),
        (Optional[str], "string"),  # noqa: UP045 — both spellings are in use
        (Literal["a", None], "string"),  # noqa: PYI061 — both spellings are in use
        (Literal["a"] | None, "string"),
        (Annotated[int | None, ColumnType("int16")], "int16"),
        (Optional[Annotated[int, ColumnType("int16")]], "int16"),  # noqa: UP045 — as above
    ],
)
def test_a_union_with_none_is_nullable(annotation: object, dtype: str) -> None:
    """None in the annotation, and nothing else, makes a column nullable."""
    assert columns_of(annotation) == (ColumnSpec("c", dtype, nullable=True),)


def test_descriptions_and_order_come_from_the_class() -> None:
    """A default value does not make a column nullable."""

    class Model(BaseModel):
        b: int = Field(default=1, description="How many.")
        a: str

    assert column_specs(Model) == (
        ColumnSpec("b", "int64", nullable=False, description="How many."),
        ColumnSpec("a", "string", nullable=False),
    )


@pytest.mark.parametrize(
    ("annotation", "fault"),
    [
        (Any, "has no column type; say which is meant"),
        (list, "list doesn't say of what: write list[str], say"),
        (dict, "dict doesn't say of what: write dict[str, str], say"),
        (object, "object has no column type"),
        (timedelta, 'Annotated[timedelta, ColumnType("string")]'),
        (int | str, "is one of several types"),
        (tuple[int, str], "has no column type"),
        (dict[int, str], "has keys that are not texts"),
        (Mixed, "has values of several types"),
        (Tree, "Tree contains itself"),
        (create_model("Empty"), "has no fields"),
    ],
)
def test_what_no_column_can_hold_is_refused(annotation: object, fault: str) -> None:
    """The error names the class, the column, the annotation and the way out."""
    with pytest.raises(DefinitionError) as caught:
        columns_of(annotation)

    assert fault in str(caught.value)
    assert "The class Model declares no valid table: the column 'c': " in str(caught.value)


def test_all_faults_of_a_class_come_at_once() -> None:
    """Wrong names and wrong types of all columns are in one error."""

    class Model(BaseModel):
        metaxy_a: int
        b: int
        B: complex

    with pytest.raises(DefinitionError) as caught:
        column_specs(Model)

    assert caught.value.faults == (
        "the column 'metaxy_a' begins with 'metaxy_', which is reserved",
        "the column 'B': complex has no column type; say which is meant: "
        'Annotated[complex, ColumnType("string")]',
        "the columns 'b' and 'B' differ only by case",
    )


@pytest.mark.parametrize(
    "dtype", ["int32", "list<map<string, struct<a: int8, b c: list<date>>>>", "decimal(10,2)"]
)
def test_a_column_type_may_be_given_as_text(dtype: str) -> None:
    """Every text that the module's docstring tells is a type."""
    assert ColumnType(dtype).dtype == dtype


@pytest.mark.parametrize(
    "dtype", ["int", "", "list<int>", "list<int64", "map<int64, string>", "decimal(2,3)",
              "decimal(39,1)", "struct<>", "struct<int64>", "string<int64>"]
)  # fmt: skip
def test_a_text_that_is_no_column_type_is_refused(dtype: str) -> None:
    """A slip in a type is found when the class is declared, not when a table is written."""
    with pytest.raises(DefinitionError, match="There is no column type"):
        ColumnType(dtype)


def test_system_columns_are_told_by_their_prefix() -> None:
    """In whatever case, since Delta ignores it."""
    assert [is_system_column(name) for name in ("metaxy_x", "Metaxy_X", "metaxy", "x_metaxy_")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type X = …` needs Python 3.12")
def test_an_alias_has_the_type_that_it_stands_for() -> None:
    """`type Name = str` is followed."""
    names: dict[str, Any] = {}
    exec("type Name = str", names)  # noqa: S102 — no syntax of Python 3.11

    assert columns_of(names["Name"]) == (ColumnSpec("c", "string"),)
