"""A feature as the graph sees it: its spec, and what its class adds to that.

A definition outlives its class: it is stored in snapshots and restored where the class is gone.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Self, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from metaxy.errors import SnapshotError, itemised
from metaxy.models.columns import ColumnSpec
from metaxy.models.contract import TableContract
from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.frozen import fault_sentences
from metaxy.models.keys import FeatureKey


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One declared feature.

    Attributes:
        project: Whose feature it is.
        columns: What the class declares, in its order; empty when it declares nothing.
        class_path: Where the class was, as `module.Name`; for people, not for importing.
        table: The contract that a storage class declares, with these very columns; None for
            feature classes, whose contract follows from the rest.
        load_input: The class's own `load_input`, None if it has none. It is no part of the value:
            not compared, not stored.
    """

    spec: FeatureSpec
    project: str
    columns: tuple[ColumnSpec, ...] = ()
    class_path: str | None = None
    table: TableContract | None = None
    load_input: Callable[..., object] | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> FeatureKey:
        """The feature's key."""
        return self.spec.key

    @property
    def contract(self) -> TableContract:
        """What the feature's table promises, in the project that the definition has here."""
        if self.table is not None:
            return self.table.model_copy(update={"project": self.project})
        return TableContract(
            key=self.spec.key,
            project=self.project,
            columns=self.columns,
            grain=self.spec.id_columns,
            description=self.spec.description,
            labels=self.spec.tags,
        )

    def to_data(self) -> dict[str, object]:
        """Give the definition as JSON data, from which `from_data` restores an equal one."""
        data: dict[str, object] = {
            "spec": self.spec.model_dump(mode="json"),
            "project": self.project,
            "columns": [asdict(column) for column in self.columns],
            "class_path": self.class_path,
        }
        if self.table is not None:
            data["table"] = self.table.model_dump(mode="json")
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, object]) -> Self:
        """Restore a definition; its `load_input` is None.

        Raises:
            SnapshotError: The data is not that of a definition; says what is wrong with it.
        """
        try:
            stored = _STORED.validate_python(dict(data))
        except ValidationError as error:
            faults = fault_sentences(error, known=[each.name for each in fields(_Stored)])
            raise SnapshotError(itemised("A stored feature cannot be read", faults)) from error
        return cls(
            stored.spec,
            stored.project,
            stored.columns,
            class_path=stored.class_path,
            table=stored.table,
        )

    def to_json(self) -> str:
        """Give `to_data` as one text, the same for equal definitions."""
        return json.dumps(self.to_data(), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` gave.

        Raises:
            SnapshotError: The text is no JSON, or not that of a definition.
        """
        try:
            data: object = json.loads(text)
        except ValueError as error:
            raise SnapshotError(f"A stored feature is no JSON: {error}") from error
        if not isinstance(data, dict):
            raise SnapshotError(f"A stored feature is no JSON object, but {data!r}")
        return cls.from_data(cast("dict[str, object]", data))


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a stored definition consists of."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    spec: FeatureSpec
    project: str
    columns: tuple[ColumnSpec, ...]
    class_path: str | None
    table: TableContract | None = None


_STORED = TypeAdapter(_Stored)
