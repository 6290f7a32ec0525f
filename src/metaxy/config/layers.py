"""Bringing the sources of settings together: arguments, environment, files, defaults."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from metaxy.config import tree
from metaxy.config.environment import CONFIG_FILE, read_environment
from metaxy.config.files import find_files, named_file, read_file
from metaxy.config.tree import ARGUMENT, DEFAULT, Entries, Entry, Fault, flatten, overlaid

DEFAULT_STORE = "dev"
DEFAULT_ROOT = ".metaxy/lake"

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""Also with a slash too few, which the store refuses by the name that was given."""


@dataclass(frozen=True, slots=True)
class Merged:
    """All settings, who set each, and what went wrong on the way; not yet checked.

    Attributes:
        entries: Every setting that anything sets, the default store included.
        faults: What could not be read.
        files: The files that were read, the weaker first.
        folder: The folder that relative settings and modules belong to.
    """

    entries: Entries
    faults: tuple[Fault, ...]
    files: tuple[Path, ...]
    folder: Path


def merged(
    path: str | os.PathLike[str] | None,
    *,
    search_parents: bool,
    overrides: Mapping[str, object],
    environment: Mapping[str, str],
) -> Merged:
    """Read every source, the stronger over the weaker.

    Args:
        path: A file, or a folder to begin the search at; None: what `METAXY_CONFIG` names, else the
            current folder.
        search_parents: Whether to go on in the folders above.
        overrides: The strongest source, as nested tables.
        environment: All variables.
    """
    here = Path.cwd()
    files = _files(path or environment.get(CONFIG_FILE) or here, search_parents=search_parents)
    folder = files[-1].parent if files else here
    faults: list[Fault] = []
    entries: Entries = {}
    for file in files:
        found, wrong = read_file(file, name=_display(file, here), environment=environment)
        entries = overlaid(entries, _rooted(found, file.parent))
        faults += wrong
    given = {key: Entry(value, ARGUMENT) for key, value in flatten(overrides) if key}
    if not _has_stores(
        [*entries, *given]
    ):  # before the environment, which may change an option of it
        entries = overlaid(entries, _default_store(folder))
    found, wrong = read_environment(environment, known=[*entries, *given])
    faults += wrong
    for stronger in (found, given):
        entries = overlaid(entries, _rooted(stronger, here))
    return Merged(with_default_store(entries, folder), tuple(faults), files, folder)


def with_default_store(entries: Entries, folder: Path) -> Entries:
    """Define a store where nothing does, and name the default one where nothing does.

    The default store is `dev`, or the only one there is; with several others it stays open, which
    the checks refuse.
    """
    if not _has_stores(entries):
        entries = overlaid(entries, _default_store(folder))
    names = {path[1] for path in entries if path[0] == "stores" and len(path) > 1}
    if ("store",) in entries or (len(names) > 1 and DEFAULT_STORE not in names):
        return entries
    name = names.pop() if len(names) == 1 else DEFAULT_STORE
    return entries | {("store",): Entry(name, DEFAULT)}


def _files(path: str | os.PathLike[str], *, search_parents: bool) -> tuple[Path, ...]:
    path = Path(path).expanduser()
    return find_files(path, search_parents=search_parents) if path.is_dir() else named_file(path)


def _display(file: Path, here: Path) -> str:
    """Name a file as a person in the current folder would."""
    return os.path.relpath(file, here) if here.is_relative_to(file.parent) else str(file)


def _default_store(folder: Path) -> Entries:
    return {
        ("stores", DEFAULT_STORE, "type"): Entry("delta", DEFAULT),
        ("stores", DEFAULT_STORE, "config", "root_path"): Entry(
            str(folder / DEFAULT_ROOT), DEFAULT
        ),
    }


def _has_stores(entries: Iterable[tree.Path]) -> bool:
    return any(path[0] == "stores" for path in entries)


def _rooted(entries: Entries, folder: Path) -> Entries:
    """Make the root paths of stores absolute: they are meant from where they are written."""
    return {
        path: Entry(_absolute(entry.value, folder), entry.origin) if _is_root(path) else entry
        for path, entry in entries.items()
    }


def _is_root(path: tree.Path) -> bool:
    return path[0] == "stores" and path[2:] == ("config", "root_path")


def _absolute(value: object, folder: Path) -> object:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value or _URI.match(value):
        return value
    return os.path.normpath(folder / Path(value).expanduser())
