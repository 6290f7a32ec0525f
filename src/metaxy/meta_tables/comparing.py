"""How two contracts of one table differ, for data and for people."""

from metaxy.errors import listed
from metaxy.models.columns import ColumnSpec
from metaxy.models.contract import TableContract


def shape_changes(old: TableContract, new: TableContract) -> list[str]:
    """All that data would notice, in words; none where only texts or positions differ."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    changes = [f"the column '{name}' is gone" for name in before if name not in after]
    changes += [
        f"the column '{name}' ({column_text(column)}) is new"
        for name, column in after.items()
        if name not in before
    ]
    changes += [
        f"the column '{name}' is {column_text(column)}, and was {column_text(before[name])}"
        for name, column in after.items()
        if name in before and column_text(column) != column_text(before[name])
    ]
    return changes + grain_changes(old, new)


def refused_changes(old: TableContract, new: TableContract) -> list[str]:
    """Those of the changes that rows written before could not fulfil, or that lose something."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    refused = [f"the column '{name}' is gone" for name in before if name not in after]
    for name, column in after.items():
        earlier = before.get(name)
        if earlier is None:
            if not column.nullable:
                refused.append(
                    f"the new column '{name}' ({column_text(column)}) must be nullable, since "
                    "older rows have no value for it"
                )
        elif column.dtype != earlier.dtype or (earlier.nullable and not column.nullable):
            refused.append(
                f"the column '{name}' is {column_text(column)}, and was {column_text(earlier)}"
            )
    return refused + grain_changes(old, new)


def said_changes(old: TableContract, new: TableContract) -> list[str]:
    """What the two say differently without a difference for data, in words."""
    changes = [
        f"the {name} is another" if name != "labels" else "the labels are others"
        for name in ("identifier", "namespace", "description", "labels", "provisioning")
        if getattr(old, name) != getattr(new, name)
    ]
    for column in new.columns:
        before = old.column(column.name)
        if before is None:
            continue
        if before.description != column.description:
            changes.append(f"the description of the column '{column.name}' is another")
        if old.column_labels.get(column.name) != new.column_labels.get(column.name):
            changes.append(f"the label of the column '{column.name}' is another")
    return changes


def grain_changes(old: TableContract, new: TableContract) -> list[str]:
    """What names a row differently."""
    changes: list[str] = []
    if old.grain != new.grain:
        changes.append(f"the index columns are {listed(new.grain)}, and were {listed(old.grain)}")
    if old.time_index != new.time_index:
        changes.append(f"the time index is {new.time_index!r}, and was {old.time_index!r}")
    return changes


def column_text(column: ColumnSpec) -> str:
    """The type of a column, and whether it may be null."""
    return f"{column.dtype}{', nullable' if column.nullable else ''}"
