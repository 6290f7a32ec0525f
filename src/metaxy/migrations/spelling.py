"""The ways in which a migration file may be spelled, and the one in which we write.

| canonical | also read |
| --- | --- |
| `id` | `migration_id` |
| `parent` | `parent_migration_id` |
| `ops` | `operations` |
| of an operation: `from_feature_version`, `to_feature_version` | `from`, `to` |
"""

from collections.abc import Mapping
from typing import Final, cast

FORMAT: Final = 1
"""What `version` says in a file."""

_FILE: Final = {"migration_id": "id", "parent_migration_id": "parent", "operations": "ops"}
_OPERATION: Final = {"from": "from_feature_version", "to": "to_feature_version"}

OLDER_NAMES: Final = _FILE | _OPERATION
"""All older names of keys, each with the canonical one."""

OLDER_OPERATIONS: Final = ("feature_version_migration", "custom_migration")
"""The types of operations of the older format."""


def canonical(data: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """A file's data in the canonical spelling, and what is wrong with how it was spelled."""
    told, faults = _renamed(data, _FILE)
    version = told.pop("version", FORMAT)
    if version != FORMAT or isinstance(version, bool):
        faults.append(
            f"'version' is {version!r}; this release of metaxy reads {FORMAT}. If the file was "
            "written for a newer release, upgrade."
        )
    ops = told.get("ops")
    if isinstance(ops, list):
        renamed = [_operation(each) for each in cast("list[object]", ops)]
        told["ops"] = [each for each, _ in renamed]
        faults += [
            f"operation {number}: {fault}"
            for number, (_, found) in enumerate(renamed, start=1)
            for fault in found
        ]
    return told, faults


def _operation(value: object) -> tuple[object, list[str]]:
    if not isinstance(value, dict):
        return value, []
    data = cast("dict[str, object]", value)
    if data.get("type") not in OLDER_OPERATIONS:
        return data, []
    return _renamed(data, _OPERATION)


def _renamed(
    data: Mapping[str, object], names: Mapping[str, str]
) -> tuple[dict[str, object], list[str]]:
    twice = [
        f"{old!r} and {new!r} are two names of one thing; keep {new!r}"
        for old, new in names.items()
        if old in data and new in data
    ]
    return {names.get(key, key): value for key, value in data.items()}, twice
