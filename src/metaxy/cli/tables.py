"""`metaxy tables`: contracts beside what the lake holds."""

from collections.abc import Sequence

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import opened_store
from metaxy.cli.options import json_option, store_option
from metaxy.errors import FeatureNotFoundError, counted, did_you_mean
from metaxy.meta_tables.drift import TableState, table_states
from metaxy.models.columns import ColumnSpec


@click.command(
    "list",
    cls=Command,
    examples=[("metaxy tables list", "Every table, and whether it is as it is to be.")],
)
@store_option
@json_option
def list_tables(*, store_name: str | None, as_json: bool) -> ExitCode:
    """List the tables of storage classes, and of features that declare columns.

    Tables that are registered and that the code doesn't know are listed, too.
    """
    store, states = _states(store_name)
    if as_json:
        output.json_data({"store": store, "tables": [_as_json(state) for state in states]})
        return ExitCode.OK
    output.table(
        ["table", "kind", "in code", "revision", "version", "columns", "drift"],
        [
            (
                state.contract.table_name,
                state.kind,
                "yes" if state.is_in_code else "no",
                None if state.registration is None else state.registration.revision,
                state.table_version,
                len(state.contract.columns),
                _drift_text(state),
            )
            for state in states
        ],
        numbers={"revision", "version", "columns"},
    )
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[("metaxy tables describe shop__prices", "Its columns, and what the lake has.")],
)
@click.argument("table")
@store_option
@json_option
def describe(*, table: str, store_name: str | None, as_json: bool) -> ExitCode:
    """Show the contract of a table, column by column, beside what the lake has.

    TABLE is its name (shop__prices), its feature (shop/prices) or its identifier (shop.prices).
    """
    store, states = _states(store_name)
    (state,) = _chosen(states, [table])
    if as_json:
        output.json_data({"store": store, "table": _as_json(state)})
        return ExitCode.OK
    contract = state.contract
    output.data(
        "\n".join(
            f"{name}: {text}"
            for name, text in (
                ("table", contract.table_name),
                ("kind", state.kind),
                ("project", contract.project),
                ("namespace", contract.namespace),
                ("identifier", contract.identifier),
                ("uid", str(contract.uid) if contract.is_closed else None),
                ("description", contract.description),
                ("labels", ", ".join(contract.labels)),
                ("index", ", ".join(contract.grain)),
            )
            if text
        )
        + "\n"
    )
    output.table(
        ["column", "type", "null", "in the lake", "label", "description"],
        [_column_row(state, column) for column in contract.columns],
    )
    for sentence in state.drift:
        output.message(f"Drift: {sentence}")
    return ExitCode.OK


@click.command(
    cls=Command,
    examples=[
        ("metaxy tables check", "All; the exit code is 2 if one has drifted."),
        ("metaxy tables check shop__prices --json", "One, for a script."),
    ],
)
@click.argument("tables", metavar="[TABLE]...", nargs=-1)
@store_option
@json_option
def check(*, tables: tuple[str, ...], store_name: str | None, as_json: bool) -> ExitCode:
    """Tell which tables aren't as their contracts say.

    The exit code is 0 when all are, and 2 when one isn't.
    """
    store, states = _states(store_name)
    chosen = _chosen(states, tables) if tables else states
    drifted = [state for state in chosen if state.drift]
    if as_json:
        output.json_data({"store": store, "tables": [_as_json(state) for state in chosen]})
    elif drifted:
        lines = (f"{s.contract.table_name}: {each}" for s in drifted for each in s.drift)
        output.data("\n".join(lines))
    else:
        output.message(f"{counted(len(chosen), 'table')} as the contracts say.")
    return ExitCode.PENDING if drifted else ExitCode.OK


def _states(store_name: str | None) -> tuple[str, list[TableState]]:
    with opened_store(store_name, needs_features=False) as opened:
        return opened.name, table_states(opened.store, opened.graph)


def _chosen(states: Sequence[TableState], names: Sequence[str]) -> list[TableState]:
    """The tables of these names; a name is a table's, a feature's or an identifier."""
    by_name = {
        name: state
        for state in states
        for name in (state.contract.identifier, str(state.contract.key), state.contract.table_name)
        if name
    }
    missing = [name for name in names if name not in by_name]
    if missing:
        known = [state.contract.table_name for state in states]
        raise FeatureNotFoundError(
            f"There is no table '{missing[0]}' with a contract, in the code or registered."
            f"{did_you_mean(missing[0], by_name)} See `metaxy tables list`"
            + ("." if known else ", which is empty."),
            feature=missing[0],
        )
    return [by_name[name] for name in dict.fromkeys(names)]


def _drift_text(state: TableState) -> str | None:
    if not state.drift:
        return None
    first, *more = state.drift
    return f"{first} (and {len(more)} more)" if more else first


def _column_row(state: TableState, column: ColumnSpec) -> tuple[str | None, ...]:
    stored = None if state.columns is None else state.columns.get(column.name)
    return (
        column.name,
        column.dtype,
        "yes" if column.nullable else "no",
        None if stored is None else str(stored),
        state.contract.column_labels.get(column.name),
        column.description,
    )


def _as_json(state: TableState) -> dict[str, object]:
    contract, registration = state.contract, state.registration
    return {
        "table": contract.table_name,
        "feature": str(contract.key),
        "kind": state.kind,
        "project": contract.project,
        "namespace": contract.namespace,
        "identifier": contract.identifier,
        "uid": str(contract.uid) if contract.is_closed else None,
        "description": contract.description,
        "labels": list(contract.labels),
        "index": list(contract.grain),
        "time_index": contract.time_index,
        "in_code": state.is_in_code,
        "revision": None if registration is None else registration.revision,
        "table_version": state.table_version,
        "columns": [
            {
                "name": column.name,
                "type": column.dtype,
                "nullable": column.nullable,
                "label": contract.column_labels.get(column.name),
                "description": column.description,
                "in_lake": _column_row(state, column)[3],
            }
            for column in contract.columns
        ],
        "drift": list(state.drift),
    }
