"""Finding and reading `metaxy.toml` and `[tool.metaxy]` of `pyproject.toml`."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from metaxy.config import tree
from metaxy.config.interpolation import InterpolationError, interpolated
from metaxy.config.tree import Entries, Entry, Fault, Origin, flatten, is_list, is_table
from metaxy.errors import ConfigError

METAXY_TOML = "metaxy.toml"
PYPROJECT_TOML = "pyproject.toml"
_TOOL = ("tool", "metaxy")
_HEADER = re.compile(r"\s*\[\[?\s*(?P<path>[^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"""\s*(?P<path>(?:[\w.\s-]|"[^"]*"|'[^']*')+?)\s*=""")
_KEY = re.compile(r""""(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[\w-]+)""")


def find_files(start: Path, *, search_parents: bool = True) -> tuple[Path, ...]:
    """Give the files that hold for a folder, the weaker first.

    They are those of the nearest folder, going up from `start`, that has any: `pyproject.toml` if
    it has a table `[tool.metaxy]`, and `metaxy.toml`.
    """
    start = start.absolute()
    for folder in (start, *start.parents) if search_parents else (start,):
        found = [folder / METAXY_TOML] if (folder / METAXY_TOML).is_file() else []
        if _has_tool_table(folder / PYPROJECT_TOML):
            found.insert(0, folder / PYPROJECT_TOML)
        if found:
            return tuple(found)
    return ()


def named_file(path: Path) -> tuple[Path, ...]:
    """Give the file that was asked for by name; raises a `ConfigError` if it holds no settings."""
    path = path.absolute()
    if not path.is_file():
        message = f"There is no configuration file '{path}'. `metaxy init` makes one."
        raise ConfigError(message)
    if path.name == PYPROJECT_TOML and not _has_tool_table(path):
        message = f"'{path}' has no table [tool.metaxy]."
        raise ConfigError(message)
    return (path,)


def read_file(
    path: Path, *, name: str, environment: Mapping[str, str]
) -> tuple[Entries, list[Fault]]:
    """Read the settings of one file, with its references to variables replaced.

    Args:
        path: A `pyproject.toml`, of which only `[tool.metaxy]` counts, or any other TOML file.
        name: What the file is called in messages.
        environment: What references are looked up in.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document: object = tomllib.loads(text)
    except (OSError, ValueError) as error:  # not readable, not UTF-8, not TOML
        return {}, [Fault(Origin(name), (), f"cannot be read: {error}")]
    prefix = _TOOL if path.name == PYPROJECT_TOML else ()
    entries: Entries = {}
    faults: list[Fault] = []
    for key, value in flatten(_table_at(document, prefix)):
        origin = Origin(name, line_of(text, (*prefix, *key)))
        try:
            entries[key] = Entry(_filled_in(value, environment), origin)
        except InterpolationError as error:
            faults.append(Fault(origin, key, str(error)))
            entries[key] = Entry(value, origin)
    return entries, faults


def line_of(text: str, path: Sequence[str]) -> int | None:
    """Give the line, counted from 1, that sets a value, or that sets a table around it.

    Good for pointing, not for parsing: it takes each line for itself, so text that looks like an
    assignment inside a multi-line string can mislead it.
    """
    table: tuple[str, ...] = ()
    best: tuple[int, int] | None = None  # how many keys match, minus the line
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = found = _keys(header["path"])
        elif assignment := _ASSIGNMENT.match(line):
            found = (*table, *_keys(assignment["path"]))
        else:
            continue
        if found == tuple(path[: len(found)]):
            best = max(best or (0, 0), (len(found), -number))
    return -best[1] if best else None


def _keys(text: str) -> tuple[str, ...]:
    return tuple(
        next(group for group in match.groups() if group is not None)
        for match in _KEY.finditer(text)
    )


def _has_tool_table(pyproject: Path) -> bool:
    """A `pyproject.toml` that is no TOML is some other tool's to complain of, if not even named."""
    if not pyproject.is_file():
        return False
    text = pyproject.read_text(encoding="utf-8", errors="replace")
    if "metaxy" not in text:
        return False
    try:
        return _table_at(tomllib.loads(text), _TOOL) is not None
    except tomllib.TOMLDecodeError:
        return "tool.metaxy" in text  # then reading it tells what is wrong


def _table_at(document: object, path: tree.Path) -> object:
    for key in path:
        document = document.get(key) if is_table(document) else None
    return document


def _filled_in(value: object, environment: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return interpolated(value, environment)
    if is_list(value):
        return [_filled_in(item, environment) for item in value]
    if is_table(value):  # a table inside a list
        return {key: _filled_in(inner, environment) for key, inner in value.items()}
    return value
