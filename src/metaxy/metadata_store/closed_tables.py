"""Tables with the columns of their contract and no others: those of storage classes.

They come into being by `metaxy migrations upgrade`, and a write never evolves them.
"""

import polars as pl

from metaxy.errors import StorageNotRegisteredError, did_you_mean, listed
from metaxy.models.contract import TableContract
from metaxy.versioning.system_columns import PREFIX

UPGRADE = "metaxy migrations upgrade --provider package.module:object"
"""The command that creates tables of storage classes."""


def closed_reasons(
    schema: pl.Schema, contract: TableContract, table: pl.Schema | None
) -> list[str]:
    """What is wrong with the columns of a frame for a closed table, besides what always is.

    Args:
        table: The columns of the table in the lake; None where that isn't looked at.
    """
    declared = [column.name for column in contract.columns]
    reasons = [
        f"'{name}' is no column of the contract, which has {listed(declared)}: leave it out, or "
        f"declare it and run {UPGRADE}.{did_you_mean(name, set(declared) - set(schema))}"
        for name in schema
        if name not in declared and not name.startswith(PREFIX)
    ]
    reasons += [
        f"the declared column '{name}' isn't in the table yet: run {UPGRADE}"
        for name in declared
        if table is not None and name not in table
    ]
    given = [name for name in schema if name in contract.grain]
    wanted = [name for name in contract.grain if name in schema]
    if given != wanted:
        reasons.append(
            f"the index columns stand in the order {listed(given)}; the contract has "
            f"{listed(wanted)}"
        )
    return reasons


def not_created(contract: TableContract, *, store: str) -> StorageNotRegisteredError:
    """The error for a write to a table that no upgrade has created."""
    return StorageNotRegisteredError(
        f"'{contract.table_name}' has no table in {store}, and tables of storage classes come into "
        f"being by an upgrade: run {UPGRADE}",
        table=contract.table_name,
        store=store,
        feature=str(contract.key),
    )


def cast_to(wanted: pl.DataType, got: pl.DataType) -> str:
    """How to get a column from one type to another, beginning with a verb."""
    if not (isinstance(wanted, pl.Datetime) and isinstance(got, pl.Datetime)):
        return "cast it"
    steps: list[str] = []
    if got.time_zone is None and wanted.time_zone is not None:
        steps.append('say which zone it is with .dt.replace_time_zone("UTC")')
    elif got.time_zone != wanted.time_zone and wanted.time_zone is not None:
        steps.append('convert it with .dt.convert_time_zone("UTC")')
    if got.time_unit != wanted.time_unit:
        steps.append(f'cut it with .dt.cast_time_unit("{wanted.time_unit}")')
    return " and ".join(steps) or "cast it"
