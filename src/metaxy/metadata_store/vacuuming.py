"""Vacuums: the files of tables go that nothing needs any more.

Needed is what the newest version of a table is read from, what versions are read from that were the
newest until a while ago, and what tags pin.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from metaxy.errors import UsageError
from metaxy.metadata_store.failures import told_as
from metaxy.metadata_store.interface import StoreInterface
from metaxy.metadata_store.tagging import pinned_versions
from metaxy.models.keys import FeatureKey


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What a vacuum removes from one table.

    Attributes:
        files: Their paths in the table's folder, sorted.
        size_bytes: Of all of them.
    """

    files: tuple[str, ...]
    size_bytes: int


def vacuum_tables(
    store: StoreInterface, keys: Iterable[FeatureKey], *, retention: timedelta, dry_run: bool
) -> dict[FeatureKey, Vacuumed]:
    """Vacuum some tables, or tell what would go; has the tables from which anything does."""
    pinned = pinned_versions(store)
    done: dict[FeatureKey, Vacuumed] = {}
    for key in keys:
        text = f"Vacuuming '{key}' was cut off, and may be done again"
        with told_as(text, store=store.display(), feature=str(key)):
            sizes = store.vacuum_in_store(
                key, retention=retention, pinned=pinned.get(key, frozenset()), dry_run=dry_run
            )
        if sizes:
            done[key] = Vacuumed(tuple(sorted(sizes)), sum(sizes.values()))
    return done


def checked_retention(given: Any) -> timedelta:  # noqa: ANN401 -- users give anything
    """A time that files are kept.

    Raises:
        ValueError: It is none.
    """
    if isinstance(given, timedelta) and given >= timedelta(0):
        return given
    raise UsageError(
        f"retention is {given!r}: give a timedelta of 0 or more, such as timedelta(days=7)."
    )
