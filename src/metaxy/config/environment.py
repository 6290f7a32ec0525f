"""Settings from `METAXY_*` variables.

`METAXY_STORES__PROD__CONFIG__ROOT_PATH` sets `stores.prod.config.root_path`. Case does not count,
and `_` stands for `-` too, where another source already has such a key. An empty variable counts
as not set. Lists are JSON (`["a", "b"]`) or, where a setting is known to be a list, names with
commas between them; tables are JSON. All else is text, which becomes a number or a switch where
one is wanted.
"""

import json
from collections.abc import Collection, Iterable, Mapping

from metaxy.config.tree import Entries, Entry, Fault, Origin, Path, flatten

PREFIX = "METAXY_"
CONFIG_FILE = "METAXY_CONFIG"
"""Names the configuration file itself, so it is no setting."""
DEBUG = "METAXY_DEBUG"
"""Makes the command line show tracebacks; no setting either."""

_LISTS = frozenset({"entrypoints", "fallback_stores"})


def read_environment(
    environment: Mapping[str, str], *, known: Collection[Path]
) -> tuple[Entries, list[Fault]]:
    """Give the settings that variables hold.

    Args:
        environment: All variables; those of other programs are left alone.
        known: Paths that lower sources have set, for the spelling of their keys.
    """
    entries: Entries = {}
    faults: list[Fault] = []
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX) or name in (CONFIG_FILE, DEBUG) or not text:
            continue
        path = _spelled_as_known(name.removeprefix(PREFIX).split("__"), known)
        try:
            value = _parsed(text, is_list=path[-1] in _LISTS)
        except ValueError as error:
            faults.append(Fault(Origin(name), path, f"is not valid JSON: {error}."))
            continue
        for inner, leaf in flatten(value, path):
            entries[inner] = Entry(leaf, Origin(name))
    return entries, faults


def variable_of(path: Iterable[str]) -> str:
    """Give the name of the variable that sets a path."""
    return PREFIX + "__".join(folded(part).upper() for part in path)


def folded(key: str) -> str:
    """Give the form in which keys that a variable can't tell apart are equal."""
    return key.lower().replace("-", "_")


def _spelled_as_known(parts: Iterable[str], known: Collection[Path]) -> Path:
    path: Path = ()
    for part in parts:
        depth = len(path)
        siblings = (other[depth] for other in known if other[:depth] == path and len(other) > depth)
        same = (key for key in siblings if folded(key) == folded(part))
        path = (*path, next(same, part.lower()))
    return path


def _parsed(text: str, *, is_list: bool) -> object:
    if text.lstrip().startswith(("[", "{")):
        value: object = json.loads(text)
        return value
    if is_list:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
