"""Tries what a user without rights may do with lakes in a folder; prints what it is told as JSON.

Run with the folder as the argument, it makes lakes, takes rights away, and is nobody from then on
if it was root before.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from films import films, update, videos
from metaxy.metadata_store.delta import DeltaMetadataStore

_NOBODY: Final = 65534


def _store(root: Path) -> DeltaMetadataStore:
    return DeltaMetadataStore(root, graph=films())


def _write(root: Path, *, name: str = "a") -> str:
    with _store(root).open("write") as store:
        update(store, "video", videos((name, "1", "1")))
    return "written"


def _read(root: Path) -> str:
    with _store(root) as store:
        return str(store.read_metadata("video").collect().shape[0])


def _list(root: Path) -> str:
    with _store(root) as store:
        return str(list(store.list_features()))


def _told(deed: Callable[[Path], str], root: Path) -> str:
    try:
        return deed(root)
    except Exception as error:  # noqa: BLE001 -- it is what the test is about
        return f"{type(error).__name__}: {error}"


def _main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    for name in ("readable", "hidden", "hidden_settings", "hidden_table"):
        _write(folder / name)
    (folder / "closed").mkdir()
    (folder / "hidden_table" / "deep").mkdir()
    for place in (
        "closed",
        "readable/video.delta",
        "readable/video.delta/_delta_log",
        "hidden",
        "hidden_settings/metaxy-system",
        "hidden_table/deep",
    ):
        (folder / place).chmod(0o500 if place.startswith(("closed", "readable")) else 0o000)
    if os.geteuid() == 0:
        for each in (folder / "closed", *(folder / "readable").rglob("*")):
            each.chmod(each.stat().st_mode | 0o055)
        os.setuid(_NOBODY)
    told = {
        "make": _told(_write, folder / "closed" / "deep" / "lake"),
        "write": _told(partial(_write, name="b"), folder / "readable"),
        "read": _told(_read, folder / "readable"),
        "hidden": _told(_read, folder / "hidden"),
        "hidden_settings": _told(_read, folder / "hidden_settings"),
        "unlisted": _told(_list, folder / "hidden_table"),
    }
    sys.stdout.write(json.dumps(told))
    for place in ("closed", "hidden", "hidden_settings/metaxy-system", "hidden_table/deep"):
        if (folder / place).stat().st_uid == os.geteuid():
            (folder / place).chmod(0o700)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
