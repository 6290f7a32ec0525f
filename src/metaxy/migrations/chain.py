"""The order of migrations: each names its parent, and all together they are one chain.

Only the files are looked at, and what the events say of those that were applied; whether their
snapshots are known is for `checking`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from metaxy.errors import MigrationFileError, counted, did_you_mean
from metaxy.migrations.document import INITIAL
from metaxy.migrations.files import MigrationFile
from metaxy.migrations.models import FeatureVersionsMigration

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Chain:
    """Migrations in the order in which they are applied.

    Attributes:
        order: Each after its parent; where there is a choice, by id. Those that have no place in
            the chain are left out.
        heads: The ids of those that are no parent; one if all is well, and none of no files.
        faults: What is wrong, each with the names of the files, sorted.
    """

    order: tuple[MigrationFile, ...]
    heads: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def head(self) -> str:
        """The id of the only head, `initial` if there are no migrations.

        Raises:
            MigrationFileError: There are several; says what to do.
        """
        if len(self.heads) > 1:
            raise MigrationFileError("The migrations form no chain", [_several_heads(self.heads)])
        return self.heads[0] if self.heads else INITIAL

    def checked(self) -> tuple[MigrationFile, ...]:
        """The migrations in order, if nothing is wrong.

        Raises:
            MigrationFileError: With every fault.
        """
        if self.faults:
            raise MigrationFileError("The migrations form no chain", self.faults)
        return self.order


def chain_of(files: Iterable[MigrationFile], *, applied: Mapping[str, str] = _NONE) -> Chain:
    """Put migrations in order and tell all that is wrong with the chain.

    Args:
        applied: Of the migrations that were applied the content hashes as of then, by id. Files of
            those may be gone: they needn't be kept for ever.
    """
    given = sorted(files, key=lambda file: (file.path.name, file.id))
    parents = _parents(given)
    by_id = {file.id: file for file in given}
    order = _in_order(by_id, parents, applied)
    heads = tuple(sorted(set(by_id) - set(parents.values())))
    faults = [
        *_duplicates(given),
        *_missing_parents(given, parents, applied),
        *_cycles(by_id, parents),
        *([_several_heads([_name(by_id[head]) for head in heads])] if len(heads) > 1 else []),
        *_edited(given, applied),
    ]
    return Chain(tuple(by_id[each] for each in order), heads, tuple(sorted(faults)))


def _parents(files: Sequence[MigrationFile]) -> dict[str, str]:
    """The parent of each migration, by id.

    Files of the older format name none: they follow each other by name.
    """
    parents: dict[str, str] = {}
    before = INITIAL
    for file in files:
        is_older = isinstance(file.migration, FeatureVersionsMigration)
        follows = is_older and file.migration.parent == INITIAL
        parents[file.id] = before if follows else file.migration.parent
        before = file.id if is_older else before
    return parents


def _in_order(
    by_id: Mapping[str, MigrationFile], parents: Mapping[str, str], applied: Mapping[str, str]
) -> list[str]:
    children: dict[str, list[str]] = {}
    for each in sorted(by_id, reverse=True):
        parent = parents[each]
        is_start = parent not in by_id and (parent == INITIAL or parent in applied)
        children.setdefault(INITIAL if is_start else parent, []).append(each)
    order: list[str] = []
    waiting = list(children.get(INITIAL, ()))
    while waiting:
        each = waiting.pop()
        order.append(each)
        waiting.extend(children.get(each, ()))
    return order


def _duplicates(files: Sequence[MigrationFile]) -> Iterator[str]:
    for name, number in Counter(file.id for file in files).items():
        if number > 1:
            named = ", ".join(_name(file) for file in files if file.id == name)
            yield f"{counted(number, 'file')} have the id {name!r}: {named}. Keep one of them."


def _missing_parents(
    files: Sequence[MigrationFile], parents: Mapping[str, str], applied: Mapping[str, str]
) -> Iterator[str]:
    known = {file.id for file in files}
    for file in files:
        parent = parents[file.id]
        if parent not in known and parent not in applied and parent != INITIAL:
            yield (
                f"{_name(file)} has the parent {parent!r}, which is no migration here."
                f"{did_you_mean(parent, known - {file.id})} The first migration has the parent "
                f"'{INITIAL}'."
            )


def _cycles(by_id: Mapping[str, MigrationFile], parents: Mapping[str, str]) -> Iterator[str]:
    """Draw each circle once, from the migration with the smallest id."""
    seen: set[str] = set()
    for start in sorted(by_id):
        path: list[str] = []
        each = start
        while each in by_id and each not in seen:
            seen.add(each)
            path.append(each)
            each = parents[each]
        if each in path:
            circle = path[path.index(each) :]
            at = circle.index(min(circle))
            drawn = [*circle[at:], *circle[:at], circle[at]]
            names = " -> ".join(_name(by_id[name]) for name in drawn)
            yield f"Migrations come before themselves: {names} (each with its parent)."


def _several_heads(names: Sequence[str]) -> str:
    listed = ", ".join(names)
    return (
        f"{len(names)} migrations are the parent of none: {listed}. There must be one last "
        "migration: decide which of them comes later, and make the other one its 'parent'."
    )


def _edited(files: Sequence[MigrationFile], applied: Mapping[str, str]) -> Iterator[str]:
    for file in files:
        then, now = applied.get(file.id), file.migration.content_hash
        if then is not None and then != now:
            yield (
                f"{_name(file)} was edited after it was applied: its content was "
                f"{then[:_SHOWN]} and is {now[:_SHOWN]}. Undo the edit, and write a new migration "
                "for what is still to be done."
            )


def _name(file: MigrationFile) -> str:
    return file.path.name
