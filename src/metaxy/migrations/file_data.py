"""What a file's data says, as operations and values, with every fault in words."""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from metaxy.errors import MigrationError, did_you_mean
from metaxy.migrations.ops import BaseOperation, as_operation, operation_class
from metaxy.migrations.spelling import OLDER_OPERATIONS

_LONGEST_VALUE: Final = 80


def read_operations(value: object) -> tuple[list[BaseOperation], list[str]]:
    """The operations that a file's `ops` are, and what is wrong with the others."""
    if not isinstance(value, list):
        return [], [f"'ops' is {_shown(value)}; it should be a list of operations"]
    found: list[BaseOperation] = []
    faults: list[str] = []
    for number, item in enumerate(cast("list[object]", value), start=1):
        try:
            found.append(as_operation(item))
        except ValidationError as error:
            cls = operation_class(cast("Mapping[str, str]", item)["type"])
            told = told_faults(error, field_names(cls))
            faults += [f"{_named(number, item)}: {each}" for each in told]
        except MigrationError as error:
            faults.append(f"{_named(number, item)}: {error}")
    return found, [*faults, *_repeated_ids(found)]


def told_faults(error: ValidationError, known: Mapping[str, str]) -> list[str]:
    """Put what pydantic found into words: the key, the value, and what is wrong with it.

    Args:
        known: From the names of the model's fields to the keys that files have for them.
    """
    return list(dict.fromkeys(_told(each, known) for each in error.errors()))


def field_names(model: type[BaseModel]) -> dict[str, str]:
    """The fields of a model, each standing for itself."""
    return {name: name for name in model.model_fields}


def _told(error: ErrorDetails, known: Mapping[str, str]) -> str:
    first, *rest = error["loc"] or ("",)
    place = ".".join(map(str, [known.get(str(first), first), *rest]))
    if error["type"] == "extra_forbidden":
        return f"there is no key {place!r}.{did_you_mean(place, known.values())}"
    if error["type"] == "missing":
        return f"it needs {place!r}"
    cause = error.get("ctx", {}).get("error")
    if not place:
        return str(cause or error["msg"])
    value: object = error["input"]
    if isinstance(cause, Exception):
        return f"{place!r} is {_shown(value)}: {cause}"
    wanted = error["msg"].removeprefix("Input should be ").replace("a valid string", "a text")
    is_unquoted = error["type"] == "string_type" and isinstance(value, int | float)
    return f"{place!r} is {_shown(value)}; it should be {wanted}" + (
        ": put it in quotes" if is_unquoted else ""
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _named(number: int, item: object) -> str:
    name = cast("Mapping[str, object]", item).get("id") if isinstance(item, Mapping) else None
    return f"operation {number}" + (f" ({name!r})" if name else "")


def _repeated_ids(operations: list[BaseOperation]) -> Iterator[str]:
    ids = [each.id for each in operations]
    for name in dict.fromkeys(ids):
        if ids.count(name) > 1:
            yield f"{ids.count(name)} operations have the id {name!r}; give each its own"


def is_older(data: Mapping[str, object]) -> bool:
    """Whether a file is of the older format: it names feature versions and no snapshots."""
    ops = data.get("ops")
    return not any("snapshot_version" in key for key in data) and any(
        isinstance(each, Mapping)
        and cast("Mapping[str, object]", each).get("type") in OLDER_OPERATIONS
        for each in (cast("list[object]", ops) if isinstance(ops, list) else [])
    )
