"""Where the table of a feature lies in a lake.

Nested: `<root>/video/faces.delta`; flat: `<root>/video__faces.delta`. The suffix keeps the table of
`video` apart from the folder of `video/faces`, which would otherwise lie inside it. Keys are plain
ASCII (metaxy.models.keys), so only the root can hold characters that need care.
"""

import os
import re
from collections.abc import Callable
from typing import Literal

from metaxy.errors import ConfigError, InvalidKeyError, listed, redact
from metaxy.models.keys import FeatureKey

Layout = Literal["nested", "flat"]
TABLE_SUFFIX = ".delta"
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\[\]\\^|]|%[0-9A-Fa-f]{2}")
"""What delta-rs can't have in a local path; `%41` is read as `A` (each was tried out)."""
_URI_OF_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
_UNUSABLE_IN_URI = re.compile(r"[\x00-\x1f\x7f\[\]\\^|?#%*]|(?<=[^:/])//|/\.\.?(?=/|$)")
"""In a URI `a?b` and `a#b` would be the lake `a`; `*` would be a pattern."""


def absolute_root(root: str | os.PathLike[str]) -> str:
    """The root of a lake as a plain absolute path, or as the URI that it is.

    Relative paths are taken from the folder that is current now, not when the lake is used.

    Raises:
        ConfigError: It is no path, or empty, or a URI with a slash too few, or delta-rs would take
            the path for another one, or fail on it.
    """
    if not isinstance(root, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
        raise ConfigError(
            f"root_path is {root!r}; give a folder as a text or a Path.", setting="root_path"
        )
    text = os.fspath(root)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if not text:
        raise ConfigError(
            "root_path is empty: give a folder, such as 'lake'; '.' is the current one.",
            setting="root_path",
        )
    if "://" in text:
        return _usable_uri(text.rstrip("/"))
    if slip := _URI_OF_ONE_SLASH.match(text):
        raise ConfigError(
            f"root_path is {redact(text)!r}: is '{slip[1]}://{redact(text[slip.end() :])}' meant? "
            f"A folder of that name is './{slip[1]}:/…'.",
            setting="root_path",
        )
    root = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 -- text in, text out
    wrong = sorted({found[0] for found in _UNUSABLE.finditer(root)})
    if wrong:
        raise ConfigError(
            f"root_path is {root!r}, and delta-rs can't use paths with {listed(wrong)}: "
            "choose another folder.",
            setting="root_path",
        )
    return root


def _usable_uri(uri: str) -> str:
    # What comes before the last @ are credentials, which may have any signs.
    scheme, _, rest = uri.partition("://")
    wrong = sorted({found[0] for found in _UNUSABLE_IN_URI.finditer(rest.rpartition("@")[2])})
    if wrong:
        raise ConfigError(
            f"root_path is '{redact(uri)}', and delta-rs can't use URIs with {listed(wrong)}: "
            "choose another prefix. Spaces and letters of all languages are written as they are.",
            setting="root_path",
        )
    if not rest.strip("/"):
        raise ConfigError(
            f"root_path is '{uri}', which names no place: give it like '{scheme}://bucket/lake'.",
            setting="root_path",
        )
    return uri


def table_path(root: str, key: FeatureKey, layout: Layout) -> str:
    """The folder of a feature's table; system tables lie nested in every layout."""
    if layout == "flat" and not key.is_system:
        return f"{root}/{key.table_name}{TABLE_SUFFIX}"
    return f"{root}/{'/'.join(key.parts)}{TABLE_SUFFIX}"


def key_of_path(path: str, root: str, *, named: Callable[[], str | None]) -> FeatureKey | None:
    """The key of the table in a folder of the lake; None if it isn't a feature's.

    Args:
        named: Gives the name in the table itself; in a flat layout only that tells `a-b` and `a_b`
            apart.
    """
    relative = path.removeprefix(root).strip("/").removesuffix(TABLE_SUFFIX)
    try:
        return FeatureKey(relative if "/" in relative else named() or relative)
    except InvalidKeyError:
        return None
