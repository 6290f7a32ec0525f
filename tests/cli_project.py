"""What tests of the command line share: a small project, and how a command ended."""

import json
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from metaxy import FeatureRegistry, MetadataStore, MetaxyConfig, init_metaxy

SETTINGS = """\
project = "demo"
entrypoints = ["demo_features"]
[stores.dev]
type = "delta"
[stores.dev.config]
root_path = "lake"
[stores.other]
type = "delta"
[stores.other.config]
root_path = "other_lake"
"""
FEATURES = """\
from metaxy import BaseFeature, FeatureDep, FeatureSpec, FieldSpec

class Video(BaseFeature, spec=FeatureSpec("video", id_columns=["id"], fields=["audio", "frames"])):
    id: str

class Crop(
    BaseFeature, spec=FeatureSpec("video/crop", id_columns=["id"], deps=[FeatureDep(Video)])
):
    id: str

class Faces(
    BaseFeature,
    spec=FeatureSpec(
        "video/faces",
        id_columns=["id"],
        deps=[FeatureDep(Crop)],
        fields=[FieldSpec("boxes", code_version="1")],
    ),
):
    id: str
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What was printed as JSON."""
        return json.loads(self.out)


Cli = Callable[..., Ended]
Compute = Callable[..., None]
WriteRoot = Callable[..., None]


@contextmanager
def fresh(folder: Path) -> Generator[None]:
    """Forget afterwards what was imported from a folder and declared."""
    path, before = list(sys.path), set(sys.modules)
    try:
        with FeatureRegistry().use():
            yield
    finally:
        sys.path[:] = path
        MetaxyConfig.reset()
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[name]


@contextmanager
def writable(folder: Path, store_name: str | None = None) -> Generator[MetadataStore]:
    """The project's store, open for writing."""
    with fresh(folder), init_metaxy().get_store(store_name).open("write") as store:
        yield store


def root_records(versions: Mapping[str, str]) -> pl.DataFrame:
    """One row an id, with its version for both fields."""
    fields = [{"audio": version, "frames": version} for version in versions.values()]
    return pl.DataFrame({"id": list(versions), "metaxy_provenance_by_field": fields})
