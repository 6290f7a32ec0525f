"""Deletions that die, for processes that are started afresh."""

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import deltalake

from films import films
from metaxy.metadata_store import maintenance
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.maintenance import MaintainedTables


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _written(*arguments: Any, **options: Any) -> None:
    write: Callable[..., None] = deltalake.write_deltalake
    write(*arguments, **options)
    _die()


def delete_and_die(root: Path, point: str, pipe: Connection) -> None:
    """Delete records for good; die before the commit, after it, or when somebody else says so."""
    if point == "opened":
        maintenance.write_deltalake = _die
    elif point == "written":
        maintenance.write_deltalake = _written
    elif point == "closing":
        MaintainedTables._make_append_only = _die
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        pipe.send("begun")
        store.delete_metadata("video", ["id LIKE 'gone %'"], soft=False)
        pipe.send("done")
