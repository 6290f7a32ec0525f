"""What a table and its columns say about themselves, where other engines show it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import polars as pl

from metaxy.metadata_store.streaming import arrow_schema
from metaxy.models.contract import TableContract

LABELS: Final = "metaxy.labels"
"""The property of a table that has its labels, as a JSON list of texts."""
_COMMENT: Final = "comment"
"""The key under which Spark, Databricks and others look for a column's description."""
_LABEL: Final = "metaxy.label"


@dataclass(frozen=True, slots=True)
class TableTexts:
    """Descriptions and labels.

    Attributes:
        description: Of the table; "" when there is none.
        labels: Of the table.
        columns: By column: its metadata. A text that was taken away is "", since metadata of Delta
            columns can be overwritten and not removed.
    """

    description: str = ""
    labels: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    @classmethod
    def of(cls, contract: TableContract) -> Self:
        """The texts of a contract."""
        columns: dict[str, Mapping[str, str]] = {}
        for column in contract.columns:
            label = contract.column_labels.get(column.name)
            said = {_COMMENT: column.description, _LABEL: label}
            columns[column.name] = {name: text for name, text in said.items() if text}
        return cls(contract.description or "", contract.labels, columns)

    @property
    def properties(self) -> dict[str, str]:
        """What goes into the properties of a new table."""
        return {LABELS: json.dumps(self.labels, ensure_ascii=False)} if self.labels else {}

    def arrow_schema(self, schema: pl.Schema) -> Any:  # noqa: ANN401 -- pyarrow ships no types
        """The Arrow schema of these columns, with their texts."""
        arrow = arrow_schema(schema)
        for position, name in enumerate(schema):
            said = self.columns.get(name)
            if said:
                arrow = arrow.set(position, arrow.field(position).with_metadata(dict(said)))
        return arrow


@dataclass(frozen=True, slots=True)
class TextChange:
    """What must be set so that a table says what it is to say; empty where it does.

    Attributes:
        description: None when it is right.
        labels: None when they are right.
        columns: By column: what must be set in its metadata.
    """

    description: str | None = None
    labels: tuple[str, ...] | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    def __bool__(self) -> bool:
        return (self.description, self.labels, dict(self.columns)) != (None, None, {})


def text_change(got: TableTexts, wanted: TableTexts) -> TextChange:
    """Compare what a table says with what it is to say.

    Args:
        got: As read from the table. Metadata of its columns under other keys is left alone.
    """
    columns: dict[str, Mapping[str, str]] = {}
    for name, said in got.columns.items():
        target = wanted.columns.get(name, {})
        change = {
            key: target.get(key, "")
            for key in (_COMMENT, _LABEL)
            if said.get(key, "") != target.get(key, "")
        }
        if change:
            columns[name] = change
    return TextChange(
        wanted.description if got.description != wanted.description else None,
        wanted.labels if got.labels != wanted.labels else None,
        columns,
    )


def read_labels(properties: Mapping[str, str | None]) -> tuple[str, ...]:
    """The labels in a table's properties; none where what is there isn't ours."""
    try:
        told: object = json.loads(properties.get(LABELS) or "[]")
    except ValueError:
        return ()
    return tuple(str(each) for each in told) if isinstance(told, list) else ()  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON
