"""What the log of a table tells of data files that are to be erased: their statistics.

A log has the least and the greatest values of each file; of a file with one row that is the row.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from metaxy.metadata_store.table_files import TableFiles

LOG: Final = "_delta_log/"
_CHECKPOINT: Final = ".checkpoint"
_VERSION_DIGITS: Final = 20


def data_files(sizes: Mapping[str, int]) -> dict[str, int]:
    """Of the files in a table's folder, those with rows: of whatever version, or of none."""
    return {
        name: size
        for name, size in sizes.items()
        if name.endswith(".parquet") and not name.startswith(LOG)
    }


def committed_files(files: TableFiles) -> frozenset[str]:
    """The data files that a commit has added; others may be about to be committed."""
    return frozenset(
        unquote(action["path"])
        for name in _commits(files.log_sizes())
        for kind, action in _actions(files.read(name))
        if kind in ("add", "cdc")
    )


def scrub_log(files: TableFiles, erased: Collection[str], *, checkpoint: int) -> None:
    """Remove what the log tells of the values in some files.

    Commits stay, less those statistics. Checkpoints before the given version go: readers of older
    versions go by the commits. May be repeated after it was cut off.
    """
    names = files.log_sizes()
    for name in _commits(names):
        content = files.read(name)
        scrubbed = _scrubbed(content, erased)
        if scrubbed != content:
            files.overwrite(name, scrubbed)
    for name in names:
        if _CHECKPOINT in name and int(name.removeprefix(LOG)[:_VERSION_DIGITS]) < checkpoint:
            files.remove(name)


def _commits(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.endswith(".json"))


def _actions(content: bytes) -> Iterable[tuple[str, dict[str, Any]]]:
    for line in content.splitlines():
        if line.strip():
            yield from json.loads(line).items()


def _scrubbed(content: bytes, erased: Collection[str]) -> bytes:
    if b'"stats"' not in content:
        return content
    lines: list[bytes] = []
    for line in content.splitlines(keepends=True):
        action: dict[str, Any] = json.loads(line) if line.strip() else {}
        add = action.get("add")
        if add and "stats" in add and unquote(add["path"]) in erased:
            del add["stats"]
            text = json.dumps(action, ensure_ascii=False, separators=(",", ":"))
            lines.append(text.encode() + b"\n")
        else:
            lines.append(line)
    return b"".join(lines)
