"""The registrations of tables of storage classes, in the system table `metaxy-system/meta_tables`.

Rows are only added: the newest revision of a uid is its registration. They stay out of the pushes,
so that an upgrade which imports a few classes never makes other features look removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

import narwhals as nw
import polars as pl

from metaxy.errors import WriteConflictError
from metaxy.metadata_store import system
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.system_rows import system_rows
from metaxy.models.contract import TableContract


@dataclass(frozen=True, slots=True)
class Registration:
    """What a lake has on record of one table.

    Attributes:
        revision: 1 for the upgrade that created the table, one more for each that changed it.
        contract_hash: The fingerprint of the class at that time.
        class_path: Where the class was, for people.
    """

    contract: TableContract
    contract_hash: str
    class_path: str
    revision: int = 1
    recorded_at: datetime | None = None

    @property
    def uid(self) -> str:
        """The identity of the table."""
        return str(self.contract.uid)

    def says_the_same(self, other: Self) -> bool:
        """Whether recording the other one would tell nothing new."""
        return (self.contract, self.contract_hash, self.class_path) == (
            other.contract,
            other.contract_hash,
            other.class_path,
        )


def read_registrations(store: OpenableStore) -> Mapping[str, Registration]:
    """The registrations in this very store, and not its fallbacks', by uid, by table name."""
    rows = system_rows(store, system.META_TABLES_KEY, system.META_TABLES)
    newest = (
        rows.sort("revision")
        .unique("uid", keep="last", maintain_order=True)
        .sort("table_name")
        .select("uid", "contract", "contract_hash", "class_path", "revision", "recorded_at")
    )
    return {
        uid: Registration(TableContract.model_validate_json(contract), *rest)
        for uid, contract, *rest in newest.iter_rows()
    }


def record_registration(store: OpenableStore, registration: Registration) -> None:
    """Append a registration, once.

    Raises:
        WriteConflictError: Another upgrade has just recorded this revision.
    """
    contract = registration.contract
    if not _recorded(store, registration):
        raise WriteConflictError(
            f"Another upgrade of '{contract.table_name}' ran at the same time and was first. "
            "Upgrade again.",
            feature=str(contract.key),
        )


def take_over_registration(store: OpenableStore, registration: Registration) -> None:
    """Append the registration of a table that was copied, as its first one in this lake.

    One that somebody else has recorded in the meantime stays.
    """
    _recorded(store, replace(registration, revision=1))


def _recorded(store: OpenableStore, registration: Registration) -> bool:
    """Append a registration; whether it was this call that did."""
    contract = registration.contract
    row = {
        "uid": registration.uid,
        "revision": registration.revision,
        "recorded_at": datetime.now(UTC),
        "project": contract.project,
        "table_name": contract.table_name,
        "feature_key": str(contract.key),
        "identifier": contract.identifier,
        "namespace": contract.namespace,
        "description": contract.description,
        "labels": list(contract.labels),
        "class_path": registration.class_path,
        "contract_hash": registration.contract_hash,
        "contract": contract.model_dump_json(),
    }
    store.settle_hash_settings()
    note = CommitNote(
        "system", rows=1, idempotency_key=f"{registration.uid}/{registration.revision}"
    )
    frame = nw.from_native(pl.DataFrame([row], schema=system.META_TABLES))
    outcome = store.write_metadata_to_store(system.META_TABLES_KEY, frame, note=note)
    return outcome is None or not outcome.already_committed
