"""The runs that migrations write as: the materialization ids of their rows."""

from typing import Final

import polars as pl

from metaxy.versioning.system_columns import MATERIALIZATION_ID

_UNDOING: Final = ":rollback"


def run_of(migration_id: str) -> str:
    """The materialization id of all rows that a migration writes."""
    return f"migration:{migration_id}"


def undoing_run(run: str) -> str:
    """The materialization id of the rows that take back what a migration has written."""
    return f"{run}{_UNDOING}"


def is_of_undoing() -> pl.Expr:
    """Whether a row has the materialization id of such a row, whichever the migration."""
    of = pl.col(MATERIALIZATION_ID)
    return (of.str.starts_with(run_of("")) & of.str.ends_with(_UNDOING)).fill_null(value=False)
