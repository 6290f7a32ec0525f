"""Which registrations of tables of storage classes a copy brings along.

A registration says that a table is whole and what its contract is, which is as true of the copy.
Where the destination has registered the table itself, its own registration stays: what its table is
to be is decided by its upgrades.
"""

from collections.abc import Iterable, Mapping, Sequence

from metaxy.errors import MetadataSchemaError, listed
from metaxy.metadata_store.closed_tables import UPGRADE
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.registering import Registration, read_registrations
from metaxy.models.keys import FeatureKey


def missing_registrations(
    source: OpenableStore, store: OpenableStore, keys: Sequence[FeatureKey]
) -> Mapping[FeatureKey, Registration]:
    """The registrations of some tables that the source has and the store hasn't.

    Raises:
        MetadataSchemaError: The store has another table of that name or identifier, or was not
            upgraded to columns that the source's table has; has every reason.
        StoreError: The store can't hold tables of storage classes at all.
    """
    theirs = {each.contract.key: each for each in read_registrations(source).values()}
    wanted = {key: theirs[key] for key in keys if key in theirs}
    if not wanted:
        return {}
    ours = read_registrations(store)
    faults: list[str] = []
    missing: dict[FeatureKey, Registration] = {}
    for key, each in wanted.items():
        store.table_texts(key)  # one that has none says so
        own = ours.get(each.uid)
        faults += _collisions(each, ours.values()) if own is None else _lacking(each, own)
        if own is None:
            missing[key] = each
    if faults:
        raise MetadataSchemaError(
            f"Tables of storage classes can't be copied from {source.display()} to "
            f"{store.display()}",
            faults,
            store=store.display(),
        )
    return missing


def _collisions(given: Registration, there: Iterable[Registration]) -> list[str]:
    return [
        f"the {what.replace('_', ' ')} {getattr(given.contract, what)!r} is that of "
        f"{other.class_path} there, and of {given.class_path} here: rename one of them"
        for other in there
        for what in ("identifier", "table_name")
        if getattr(other.contract, what) == getattr(given.contract, what)
    ]


def _lacking(given: Registration, own: Registration) -> list[str]:
    """What an upgrade must add there before rows of the source's columns may come."""
    present = {column.name for column in own.contract.columns}
    new = [column.name for column in given.contract.columns if column.name not in present]
    if not new:
        return []
    table = given.contract.table_name
    return [f"'{table}' has no {listed(new)} there yet: run {UPGRADE} for the destination first"]
