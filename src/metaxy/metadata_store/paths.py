"""Where the table of a feature lies in a lake.

Nested: `<root>/video/faces.delta`; flat: `<root>/video__faces.delta`. The suffix keeps the table of
`video` apart from the folder of `video/faces`, which would otherwise lie inside it. Keys are plain
ASCII (metaxy.models.keys), so only the root can hold characters that need care.
"""

import os
from collections.abc import Callable
from typing import Literal

from metaxy.models.keys import SYSTEM_PREFIX, CoercibleToFeatureKey, FeatureKey

Layout = Literal["nested", "flat"]
TABLE_SUFFIX = ".delta"


def feature_key_of(feature: CoercibleToFeatureKey) -> FeatureKey:
    """The key of a feature or of a system table."""
    return feature if isinstance(feature, FeatureKey) else FeatureKey(feature)


def absolute_root(root: str | os.PathLike[str]) -> str:
    """The root of a lake as a plain absolute path, or as the URI that it is.

    Relative paths are taken from the folder that is current now, not when the lake is used.
    """
    text = os.fspath(root)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text:
        return text.rstrip("/")
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 -- text in, text out


def table_path(root: str, key: FeatureKey, layout: Layout) -> str:
    """The folder of a feature's table; system tables lie nested in every layout."""
    if layout == "flat" and not key.is_system:
        return f"{root}/{key.table_name}{TABLE_SUFFIX}"
    return f"{root}/{'/'.join(key.parts)}{TABLE_SUFFIX}"


def table_paths(root: str) -> list[str]:
    """Every folder below a local root that looks like the table of a feature, sorted."""
    found: list[str] = []
    for folder, names, _ in os.walk(root):
        found += [
            os.path.join(folder, name)  # noqa: PTH118 -- os.walk speaks text
            for name in names
            if name.endswith(TABLE_SUFFIX)
        ]
        # What lies inside a table is Delta's business, and system tables are no features.
        names[:] = [
            name for name in names if not name.endswith(TABLE_SUFFIX) and name != SYSTEM_PREFIX
        ]
    return sorted(found)


def key_of_path(path: str, root: str, *, named: Callable[[], str | None]) -> FeatureKey:
    """The key of the table in a folder that `table_paths` gave.

    Args:
        named: Gives the name in the table itself; in a flat layout only that tells `a-b` from `a_b`.
    """
    relative = path.removeprefix(root).strip("/").removesuffix(TABLE_SUFFIX)
    if "/" in relative:
        return FeatureKey(relative)
    return FeatureKey(named() or relative)
