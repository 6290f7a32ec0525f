"""What a table promises: its columns, what names a row, and the texts about it.

A feature class gives a contract (`FeatureDefinition.contract`), and so does a storage class of
`metaxy.meta_tables`. Writes are checked against it, whichever of the two it came from.
"""

import uuid
from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from metaxy.errors import listed
from metaxy.models.columns import ColumnSpec
from metaxy.models.frozen import FrozenMap, FrozenModel, frozen_json, one_or_many
from metaxy.models.keys import FeatureKey

_UID_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "metaxy/meta-table")


class TableContract(FrozenModel):
    """The contract of one table, as a value that outlives the class that declares it.

    Attributes:
        key: The feature whose table it is.
        project: Whose feature that is.
        columns: In their order. A feature class need not declare any.
        grain: The columns that together name a row.
        time_index: The one of them that tells the time of a row; None if none does.
        is_closed: Whether the table has these columns and no others, comes into being by
            `metaxy migrations upgrade`, and is written with the columns of the grain in order.
        identifier: What people call the table; unique in a lake.
        namespace: What the table belongs to, for people and catalogues.
        labels: Of the table.
        column_labels: By column name; columns without a label are left out.
        provisioning: Anything that JSON can say. Metaxy records it and doesn't read it.
    """

    key: FeatureKey
    project: str
    columns: tuple[ColumnSpec, ...] = ()
    grain: Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
    time_index: str | None = None
    is_closed: bool = False
    identifier: str | None = None
    namespace: str | None = None
    description: str | None = None
    labels: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    column_labels: FrozenMap[str, str] = FrozenMap()
    provisioning: Annotated[FrozenMap[str, Any], BeforeValidator(frozen_json)] = FrozenMap()

    @property
    def table_name(self) -> str:
        """The key as one name, its parts joined by `__`."""
        return self.key.table_name

    @property
    def uid(self) -> uuid.UUID:
        """The identity of the table: that of its project and its name, and of nothing else."""
        return uuid.uuid5(uuid.uuid5(_UID_NAMESPACE, self.project), self.table_name)

    def column(self, name: str) -> ColumnSpec | None:
        """The column of that name; None if the contract has none."""
        return next((column for column in self.columns if column.name == name), None)

    def _faults(self) -> Iterable[str]:
        if not self.is_closed:
            return
        names = [column.name for column in self.columns]
        lacking = [name for name in self.grain if name not in names]
        if lacking:
            yield f"the grain names {listed(lacking)}; the columns are {listed(names)}"
        if self.time_index is not None and self.time_index not in self.grain:
            yield f"the time index '{self.time_index}' is no part of the grain {listed(self.grain)}"
