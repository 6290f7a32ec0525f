"""Settings as flat entries: a path of keys, a value, and where the value comes from.

Flat, because "the higher source wins, key by key" and "who set this?" are then look-ups.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who set a value: a file, a variable, an argument or a default; lines count from 1."""

    name: str
    line: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}, line {self.line}"


DEFAULT = Origin("default")
ARGUMENT = Origin("argument")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and who set it. The value is no table, but may be an empty one or a list."""

    value: object
    origin: Origin


Entries = dict[Path, Entry]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, with the place where a person can mend it."""

    origin: Origin
    path: Path
    message: str

    def __str__(self) -> str:
        if self.origin in (DEFAULT, ARGUMENT):
            return f"{dotted(self.path)}: {self.message}"
        where = "" if self.origin.name.startswith("METAXY_") else f": {dotted(self.path)}"
        return f"{self.origin}{where if self.path else ''}: {self.message}"


def dotted(path: Iterable[object]) -> str:
    """Give a path as a person writes it in TOML."""
    return ".".join(str(part) for part in path)


def is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a value holds further settings; keys of configuration are always text."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether a value is a list or a tuple; both mean the same here."""
    return isinstance(value, (list, tuple))


def flatten(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Give the leaves of nested tables; an empty table below the top is a leaf."""
    if is_table(value) and (value or not path):
        for key, inner in value.items():
            yield from flatten(inner, (*path, key))
    else:
        yield path, value


def nested(entries: Mapping[Path, Entry]) -> dict[str, object]:
    """Give the tables that the entries are the leaves of."""
    tables: dict[str, dict[Path, Entry]] = {}
    for path, entry in entries.items():
        tables.setdefault(path[0], {})[path[1:]] = entry
    return {key: inner[()].value if () in inner else nested(inner) for key, inner in tables.items()}


def overlaid(lower: Entries, upper: Entries) -> Entries:
    """Give both, the upper one winning.

    A value of the upper one also hides what lies below it, or what it lies below, where one has a
    table and the other has none.
    """
    hidden = {
        path
        for path in lower
        for other in upper
        if path != other and (path[: len(other)] == other or other[: len(path)] == path)
    }
    return {path: entry for path, entry in lower.items() if path not in hidden} | upper


def origin_of(path: Path, entries: Mapping[Path, Entry]) -> Origin:
    """Give who set a value, or, for a table, who set the first thing in it."""
    for length in range(len(path), 0, -1):
        prefix = path[:length]
        if prefix in entries:
            return entries[prefix].origin
        below = (entry.origin for known, entry in entries.items() if known[:length] == prefix)
        found = next(below, None)
        if found is not None:
            return found
    return DEFAULT
