"""Upgrades: what is to be done so that a lake has the tables of some classes, and doing it.

A plan is made first, for all tables; when one of them can't be upgraded nothing is done. Then it is
carried out a table at a time. The registration is written last: until then whoever asks is told to
upgrade, and an upgrade that was cut off goes on when it is repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from metaxy.errors import DefinitionError, StoreError, counted, listed
from metaxy.meta_tables.comparing import refused_changes
from metaxy.meta_tables.naming import FIELD
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.column_types import polars_type
from metaxy.metadata_store.pushing import record_event
from metaxy.metadata_store.registering import (
    Registration,
    read_registrations,
    record_registration,
)
from metaxy.metadata_store.table_texts import TableTexts, text_change
from metaxy.models.contract import TableContract
from metaxy.versioning.system_columns import BY_FIELD, STAMPS

Action = Literal["create", "adopt", "alter", "record", "none"]
_WAY_OUT = "publish a new table name, or write a migration"


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """What is to be done for one table.

    Attributes:
        registration: What is to be on record afterwards.
        action: "create" it; "adopt" one that lies there and has just these columns, as after an
            upgrade that was cut off; "alter" columns or texts; "record" what changes neither, such
            as a class that was moved; or "none".
        new_columns: Those that the table lacks.
        changes: In words, for people.
    """

    registration: Registration
    action: Action
    new_columns: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def contract(self) -> TableContract:
        """Of the table."""
        return self.registration.contract


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What an upgrade does, in the order of the tables' names."""

    steps: tuple[UpgradeStep, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the lake has all tables as they are to be."""
        return all(step.action == "none" for step in self.steps)


def plan_upgrade(store: MetadataStore, wanted: Sequence[Registration]) -> UpgradePlan:
    """Compare classes with a lake; nothing is written.

    Args:
        store: Open.
        wanted: What is to be on record of each table, with any revision.

    Raises:
        DefinitionError: A class has no description, two collide, or a table can't be upgraded; has
            every reason.
    """
    known = read_registrations(store)
    faults = [*_text_faults(wanted), *_identifier_faults(wanted, known)]
    steps: list[UpgradeStep] = []
    for each in sorted(wanted, key=lambda each: each.contract.table_name):
        found = _faults_or_step(store, each, known.get(each.uid))
        if isinstance(found, UpgradeStep):
            steps.append(found)
        else:
            faults += found
    if faults:
        raise DefinitionError("The upgrade can't be made, and nothing was changed", faults)
    return UpgradePlan(tuple(steps))


def apply_upgrade(store: MetadataStore, plan: UpgradePlan) -> None:
    """Carry a plan out, a table at a time.

    Args:
        store: Open for writing.

    Raises:
        WriteConflictError: Another upgrade ran at the same time.
        StoreError: A table can't be changed; those before it are.
    """
    for step in plan.steps:
        if step.action != "none":
            _apply(store, step)


def table_columns(contract: TableContract) -> pl.Schema:
    """The columns of the table of a storage class, as they stand on disk."""
    types = {column.name: polars_type(column.dtype) for column in contract.columns}
    grain = {name: types.pop(name) for name in contract.grain}
    structs = {name: pl.Struct({FIELD: pl.String()}) for name in BY_FIELD}
    return pl.Schema({**grain, **STAMPS, **types, **structs})


def _faults_or_step(
    store: MetadataStore, wanted: Registration, found: Registration | None
) -> UpgradeStep | list[str]:
    contract = wanted.contract
    present = store.table_schema(contract.key)
    faults = _change_faults(contract, found, present)
    if faults:
        return [f"'{contract.table_name}': {fault} ({_WAY_OUT})" for fault in faults]
    columns = table_columns(contract)
    new = tuple(name for name in columns if name not in (present or {}))
    revision = 1 if found is None else found.revision + 1
    target = replace(wanted, revision=revision)
    if present is None:
        return UpgradeStep(target, "create", new, (f"create with {_columns_text(contract)}",))
    changes = [f"add the column '{name}'" for name in new]
    texts = text_change(store.table_texts(contract.key) or TableTexts(), TableTexts.of(contract))
    changes += ["set descriptions and labels"] if texts else []
    if found is None:
        return UpgradeStep(target, "adopt", new, (*changes, "register the table that is there"))
    if new or texts:
        return UpgradeStep(target, "alter", new, tuple(changes))
    if not wanted.says_the_same(found):
        return UpgradeStep(target, "record", (), ("record the class as it is now",))
    return UpgradeStep(found, "none")


def _change_faults(
    contract: TableContract, found: Registration | None, present: pl.Schema | None
) -> list[str]:
    """Why a table can't become what the class says."""
    faults = [] if found is None else refused_changes(found.contract, contract)
    if faults or present is None:
        return faults
    wanted = table_columns(contract)
    faults += [
        f"the table has the column '{name}' as {present[name]}, and the class as {dtype}"
        for name, dtype in wanted.items()
        if name in present and present[name] != dtype
    ]
    if found is None:
        required = {column.name for column in contract.columns if not column.nullable}
        lacking = [name for name in wanted if name not in present and name in {*required, *STAMPS}]
        foreign = [name for name in present if name not in wanted]
        if lacking or foreign:
            faults.append(
                "a table lies there that isn't this one: "
                f"it lacks {listed(lacking)}, and has besides {listed(foreign)}"
            )
    return faults


def _text_faults(wanted: Sequence[Registration]) -> list[str]:
    return [
        f"'{each.contract.table_name}': {each.class_path} has no description: give it "
        "__metatable_description__"
        for each in wanted
        if not (each.contract.description or "").strip()
    ]


def _identifier_faults(
    wanted: Sequence[Registration], known: Mapping[str, Registration]
) -> list[str]:
    """Identifiers and table names that two classes would share, here or with the lake."""
    faults: list[str] = []
    given = {each.uid for each in wanted}
    others = [each for uid, each in known.items() if uid not in given]
    for what in ("identifier", "table_name"):
        first: dict[str, Registration] = {}
        for each in [*others, *wanted]:
            name: str = getattr(each.contract, what)
            other = first.setdefault(name, each)
            if other is not each:
                kind = what.replace("_", " ")
                faults.append(
                    f"the {kind} {name!r} is that of two classes: {other.class_path} and "
                    f"{each.class_path}"
                )
    return faults


def _apply(store: MetadataStore, step: UpgradeStep) -> None:
    contract = step.contract
    columns, texts = table_columns(contract), TableTexts.of(contract)
    if step.action == "create":
        store.settle_hash_settings()
        store.create_table(contract.key, columns, texts)
    elif step.action in ("adopt", "alter"):
        store.alter_table(contract.key, columns, texts)
    present = store.table_schema(contract.key)
    if present is None or not set(columns.items()) <= set(present.items()):
        raise StoreError(
            f"'{contract.table_name}' has other columns than it was given: somebody else has just "
            "changed it. Upgrade again.",
            store=store.display(),
            feature=str(contract.key),
        )
    record_registration(store, step.registration)
    record_event(
        store,
        "table_upgraded",
        project=contract.project,
        feature=contract.key,
        action=step.action,
        changes=list(step.changes),
        revision=step.registration.revision,
    )


def _columns_text(contract: TableContract) -> str:
    return f"{counted(len(contract.columns), 'column')}, indexed by {', '.join(contract.grain)}"
