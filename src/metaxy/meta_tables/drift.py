"""Contracts beside what a lake holds: of storage classes, and of features that declare columns."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from metaxy.graph.graph import FeatureGraph
from metaxy.meta_tables.comparing import said_changes, shape_changes
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.column_types import polars_type
from metaxy.metadata_store.registering import Registration, read_registrations
from metaxy.metadata_store.table_texts import TableTexts, text_change
from metaxy.models.contract import TableContract
from metaxy.versioning.system_columns import SYSTEM_COLUMNS

Kind = Literal["storage class", "feature"]


@dataclass(frozen=True, slots=True)
class TableState:
    """One table, as it is to be and as it is.

    Attributes:
        contract: What the code says or, where it doesn't know the table, what is registered.
        kind: What declares it.
        is_in_code: Whether the code knows it.
        registration: None for features, and for storage classes that were never upgraded.
        columns: What the table has in the lake; None when there is none.
        table_version: The newest one; None without a table.
        drift: Every difference, in words; none when all is as it is to be.
    """

    contract: TableContract
    kind: Kind
    is_in_code: bool
    registration: Registration | None
    columns: pl.Schema | None
    table_version: int | None
    drift: tuple[str, ...]


def table_states(store: MetadataStore, graph: FeatureGraph) -> list[TableState]:
    """The tables of the code and those that are registered in a lake, sorted by name.

    Features that declare no columns have no contract that could be broken, and are left out.

    Args:
        store: Open.
        graph: The features of the code.
    """
    known = dict(read_registrations(store))
    contracts = [definition.contract for definition in graph.definitions.values()]
    states = [
        _state(store, contract, known.pop(str(contract.uid), None), is_in_code=True)
        for contract in contracts
        if contract.columns
    ]
    states += [
        _state(store, registration.contract, registration, is_in_code=False)
        for registration in known.values()
    ]
    return sorted(states, key=lambda state: state.contract.table_name)


def _state(
    store: MetadataStore,
    contract: TableContract,
    registration: Registration | None,
    *,
    is_in_code: bool,
) -> TableState:
    columns = store.table_schema(contract.key)
    return TableState(
        contract=contract,
        kind="storage class" if contract.is_closed else "feature",
        is_in_code=is_in_code,
        registration=registration,
        columns=columns,
        table_version=None if columns is None else store.table_version(contract.key),
        drift=(
            *_registration_drift(contract, registration),
            *_table_drift(contract, columns, is_registered=registration is not None),
            *_text_drift(store, registration),
        ),
    )


def _registration_drift(
    contract: TableContract, registration: Registration | None
) -> Iterable[str]:
    """How the class differs from what is on record of it; features have nothing on record."""
    if not contract.is_closed:
        return
    if registration is None:
        yield "it isn't registered"
        return
    yield from (
        f"since it was registered: {change}"
        for compared in (shape_changes, said_changes)
        for change in compared(registration.contract, contract)
    )


def _table_drift(
    contract: TableContract, columns: pl.Schema | None, *, is_registered: bool
) -> Iterable[str]:
    """How the table differs from the contract; a feature may have none yet."""
    if columns is None:
        if is_registered:
            yield "it is registered, and there is no table"
        return
    for column in contract.columns:
        wanted = polars_type(column.dtype)
        got = columns.get(column.name)
        if got is None:
            yield f"the table has no column '{column.name}' ({column.dtype})"
        elif got != wanted:
            yield f"the column '{column.name}' is {got} in the table, and {wanted} in the contract"
    if contract.is_closed:
        declared = {column.name for column in contract.columns}
        yield from (
            f"the table has the column '{name}' ({dtype}), which the contract doesn't have"
            for name, dtype in columns.items()
            if name not in declared and name not in SYSTEM_COLUMNS
        )


def _text_drift(store: MetadataStore, registration: Registration | None) -> Iterable[str]:
    """Whether the table says what the upgrade has given it; features give their tables no texts."""
    if registration is None:
        return
    got, wanted = store.table_texts(registration.contract.key), TableTexts.of(registration.contract)
    if got is not None and text_change(got, wanted):
        yield "the table has other descriptions or labels than it was registered with"
