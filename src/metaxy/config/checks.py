"""What is wrong with settings, all of it at once, in words that lead to the place to mend."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypedDict, get_args

from pydantic import BaseModel, ValidationError

from metaxy.config.environment import folded, variable_of
from metaxy.config.redaction import shown
from metaxy.config.tree import Entry, Fault, Path, dotted, is_list, is_table, origin_of
from metaxy.errors import did_you_mean, listed, nearest

_STORE_NAME = re.compile(r"[A-Za-z0-9]+(?:[_-]?[A-Za-z0-9]+)*")
_MODULE_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_WANTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "mapping_type": "a table",
    "model_type": "a table",
    "path_type": "a path",
    "string_type": "text",
    "tuple_type": "a list",
}


class _Details(TypedDict):
    type: str
    loc: tuple[int | str, ...]
    msg: str
    input: object


def schema_faults(
    error: ValidationError,
    model: type[BaseModel],
    *,
    entries: Mapping[Path, Entry],
    prefix: Path = (),
) -> Iterator[Fault]:
    """Put what pydantic found into our words.

    Args:
        error: What validating against `model` raised.
        model: Whose field names are suggested for unknown ones.
        entries: Who set what.
        prefix: Where in the settings the validated table stands.
    """
    for item in error.errors(include_url=False):
        details = _Details(type=item["type"], loc=item["loc"], msg=item["msg"], input=item["input"])
        path = (*prefix, *(str(part) for part in details["loc"]))
        origin = origin_of(path, entries)
        if details["type"] == "extra_forbidden":
            known = _known_names(model, details["loc"])
            is_variable = origin.name.startswith("METAXY_")
            yield Fault(origin, path, _unknown(path, known, is_variable=is_variable))
        else:
            yield Fault(origin, path, _wrong(details, path))


def reference_faults(tree: Mapping[str, object], entries: Mapping[Path, Entry]) -> Iterator[Fault]:
    """Give what no schema can tell: names that name nothing, circles, modules that can't be ones.

    The tree may be wrong in any other way; what is not as it should be is passed over here.
    """
    stores = _stores(tree)

    def fault(path: Path, message: str) -> Fault:
        return Fault(origin_of(path, entries), path, message)

    for path, message in _name_faults(stores):
        yield fault(path, message)
    if "store" not in tree:
        message = "is needed, for there are several stores and none is called 'dev'."
        yield fault(("store",), f"{message} Stores: {listed(sorted(stores))}.")
    for path, name in _store_references(tree, stores):
        if name not in stores:
            yield fault(path, no_store(name, stores))
    for circle in _circles(_chains(tree, stores)):
        path = ("stores", circle[0], "config", "fallback_stores")
        yield fault(path, f"the fallbacks go round in a circle: {' -> '.join(circle)}.")
    for name in _names(tree.get("entrypoints")):
        if not _MODULE_NAME.fullmatch(name.removesuffix(".*")):
            message = f"{name!r} is no module name; write it as in an import: 'package.module'."
            yield fault(("entrypoints",), message)


def no_store(name: str, stores: Iterable[str]) -> str:
    """Say that there is no store of a name, and which there are."""
    known = sorted(stores)
    return (
        f"there is no store {name!r}. Stores: {listed(known)}.{did_you_mean(name, known)} "
        f"[stores.{name}] would define it."
    )


def _unknown(path: Path, known: Sequence[str], *, is_variable: bool) -> str:
    *above, name = path
    guess = nearest(name, known)
    options_table = len(path) == 3 and path[0] == "stores"  # noqa: PLR2004  stores.NAME.KEY
    if guess is not None:
        right = variable_of([*above, guess]) if is_variable else guess
        advice = f" Did you mean {right!r}?"
    elif options_table:
        advice = f" The options of a store go into [{dotted(above)}.config]."
    else:
        advice = ""
    return f"there is no setting {name!r}. There is: {listed(sorted(known), limit=20)}.{advice}"


def _wrong(details: _Details, path: Path) -> str:
    kind, message = details["type"], details["msg"]
    if kind == "missing":
        example = ' For a Delta lake: type = "delta".' if path[-1] == "type" else ""
        return f"is needed and not set.{example}"
    got = f"got {shown(details['input'], path)!r}"
    if kind in _WANTED:
        return f"wanted {_WANTED[kind]}, {got}."
    message = message.removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    return f"{message}; {got}."


def _known_names(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Give the names that may stand at a place: of the model itself, or of one in a table of it."""
    if len(location) == 1:
        return sorted(model.model_fields)
    field = model.model_fields.get(str(location[0]))
    inner = [] if field is None else _models_in(field.annotation)
    return sorted(name for each in inner for name in each.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _stores(tree: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    stores = tree.get("stores")
    if not is_table(stores):
        return {}
    return {name: entry if is_table(entry) else {} for name, entry in stores.items()}


def _options(entry: Mapping[str, object]) -> Mapping[str, object]:
    options = entry.get("config")
    return options if is_table(options) else {}


def _names(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if is_list(value) else []


def _store_references(
    tree: Mapping[str, object], stores: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[Path, str]]:
    default = tree.get("store")
    if isinstance(default, str):
        yield ("store",), default
    for name in _names(tree.get("fallback_stores")):
        yield ("fallback_stores",), name
    for store, entry in stores.items():
        for name in _names(_options(entry).get("fallback_stores")):
            yield ("stores", store, "config", "fallback_stores"), name


def _name_faults(stores: Iterable[str]) -> Iterator[tuple[Path, str]]:
    by_form: dict[str, str] = {}
    for name in stores:
        if not _STORE_NAME.fullmatch(name):
            yield (
                ("stores", name),
                f"{name!r} is no name for a store; use letters and digits with single '-' or '_'.",
            )
        other = by_form.setdefault(folded(name), name)
        if other != name:
            yield (
                ("stores", name),
                f"{name!r} and {other!r} are one name in METAXY_* variables; rename one.",
            )


def _chains(
    tree: Mapping[str, object], stores: Mapping[str, Mapping[str, object]]
) -> dict[str, list[str]]:
    """Give what each store falls back to; the common list is the default store's own, if any."""
    chains = {
        name: _names(_options(entry).get("fallback_stores")) for name, entry in stores.items()
    }
    default = tree.get("store")
    if (
        isinstance(default, str)
        and default in stores
        and "fallback_stores" not in _options(stores[default])
    ):
        common = _names(tree.get("fallback_stores"))
        chains[default] = [name for name in common if name != default]
    return chains


def _circles(chains: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Give each circle once, beginning at its first name in the alphabet, which ends it too."""
    found: set[tuple[str, ...]] = set()

    def follow(walk: tuple[str, ...]) -> None:
        for following in chains.get(walk[-1], ()):
            if following in walk:
                circle = walk[walk.index(following) :]
                start = circle.index(min(circle))
                found.add((*circle[start:], *circle[:start], circle[start]))
            else:
                follow((*walk, following))

    for name in chains:
        follow((name,))
    return sorted(found)
