"""What is current in a table, found by going through its rows one after the other.

A row is a plain dict as the table has it. The rows of a table are in any order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from metaxy.graph.plan import RecordsPlan

Row = dict[str, Any]
Ids = tuple[Any, ...]


@dataclass
class Table:
    """What a lake holds of a feature; `columns` are there even where there are no rows."""

    columns: tuple[str, ...]
    rows: list[Row] = field(default_factory=list[Row])


@dataclass
class Expansion:
    """What is known of one parent's children after some of the history.

    Attributes:
        children: By their ids, the rows that are there now.
        is_childless: Whether the newest thing known is that there are none.
    """

    provenance: str
    children: dict[Ids, Row] = field(default_factory=dict[Ids, Row])
    is_childless: bool = False


def current(rows: Iterable[Row], plan: RecordsPlan) -> list[Row]:
    """The current records of a feature, whatever its lineage."""
    if plan.expansion_on is None:
        newest = newest_by_id(rows, plan.id_columns)
        return [row for row in newest.values() if row["metaxy_deleted_at"] is None]
    expansions = expanded(rows, plan)
    return [child for each in expansions.values() for child in each.children.values()]


def newest_by_id(rows: Iterable[Row], ids: Sequence[str]) -> dict[Ids, Row]:
    """The last row of each id, tombstones included; no two rows of an id share an instant."""
    return {ids_of(row, ids): row for row in _in_order(rows)}


def expanded(rows: Iterable[Row], plan: RecordsPlan) -> dict[Ids, Expansion]:
    """What each parent was expanded to, told by playing the history again.

    Rows of another provenance than the parent's children have begin a new expansion. A row without
    a child's ids says that there are no children, and a tombstone takes its child away.
    """
    assert plan.expansion_on is not None
    own = [name for name in plan.id_columns if name not in plan.expansion_on]
    parents: dict[Ids, Expansion] = {}
    for row in _in_order(rows):
        parent = ids_of(row, plan.expansion_on)
        known = parents.get(parent)
        if known is None or known.provenance != row["metaxy_provenance"]:
            known = parents[parent] = Expansion(row["metaxy_provenance"])
        child = ids_of(row, plan.id_columns)
        if all(row[name] is None for name in own):
            known.children.clear()
            known.is_childless = True
        elif row["metaxy_deleted_at"] is not None:
            known.children.pop(child, None)
            known.is_childless = False
        else:
            known.children[child] = row
            known.is_childless = False
    return parents


def stored_provenance(rows: Iterable[Row], plan: RecordsPlan) -> dict[Ids, str]:
    """The provenance of what is stored: by record or, for an expansion, by parent."""
    if plan.expansion_on is None:
        return {
            ids_of(row, plan.id_columns): row["metaxy_provenance"] for row in current(rows, plan)
        }
    return {
        parent: each.provenance
        for parent, each in expanded(rows, plan).items()
        if each.children or each.is_childless
    }


def ids_of(row: Row, names: Sequence[str]) -> Ids:
    """The values of some columns."""
    return tuple(row[name] for name in names)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    """Oldest first; in one commit, what says that a parent has no children comes first."""
    return sorted(
        rows, key=lambda row: (row["metaxy_created_at"], row["metaxy_deleted_at"] is None)
    )
