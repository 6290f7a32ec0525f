"""The files of a new project: settings with comments, first features, and a program that computes.

They work as they are, on the Python files beside them.
"""

import json
import re
from collections.abc import Mapping

_SETTINGS = """\
# Settings of metaxy. `metaxy config show` prints what holds, and where it comes from.
# Variables win over this file: METAXY_PROJECT=… and, with __ between keys, METAXY_STORES__DEV__….

# Whose features these are.
project = {project}

# The modules that define features; "my_package.features.*" means all modules of a package.
# They are looked for beside this file, in src, and among what is installed.
entrypoints = ["features"]

# The store that is used where none is named (`metaxy … --store NAME`).
store = "dev"

# A store is a lake: a folder of Delta tables, one a feature.
[stores.dev]
type = "delta"

[stores.dev.config]
root_path = ".metaxy/lake"  # relative to this file; s3://bucket/folder works too
# fallback_stores = ["prod"]  # read what this lake lacks from there; it is never written to

# [stores.prod]
# type = "delta"
# [stores.prod.config]
# root_path = "s3://${{BUCKET}}/lake"  # ${{NAME}} is a variable, ${{NAME:-default}} has a default
"""

_FEATURES = '''\
"""What is kept of each record, and what it is made from.

Change these classes, then `metaxy graph diff` tells what that changes, and `metaxy status` what is
to be computed.
"""

from metaxy import BaseFeature, FeatureDep, FeatureSpec, FieldSpec


class SourceFile(
    BaseFeature,
    spec=FeatureSpec(
        "source/file",
        id_columns=["path"],
        fields=[FieldSpec("content")],
    ),
):
    """One record a file; a root, so the program that knows the files gives its records."""

    path: str


class LineCount(
    BaseFeature,
    spec=FeatureSpec(
        "source/line_count",
        id_columns=["path"],
        deps=[FeatureDep(SourceFile)],
        # Another code_version says that the code changed: all records are computed again.
        fields=[FieldSpec("lines", code_version="1")],
    ),
):
    """One record a file, computed again when the content of the file changes."""

    path: str
    lines: int
'''

_COMPUTE = '''\
"""Compute what is missing or out of date: `python compute.py`, as often as you like."""

import hashlib
from pathlib import Path

import polars as pl

from features import LineCount, SourceFile
from metaxy import init_metaxy

FOLDER = Path(__file__).parent


def samples() -> pl.DataFrame:
    """One row a file that there is, with a version of its content."""
    files = sorted(FOLDER.glob("*.py"))
    return pl.DataFrame(
        {
            "path": [file.name for file in files],
            "metaxy_provenance_by_field": [
                {"content": hashlib.sha256(file.read_bytes()).hexdigest()} for file in files
            ],
        }
    )


def count_lines(path: str) -> int:
    """The work itself."""
    return len((FOLDER / path).read_text(encoding="utf-8").splitlines())


project = init_metaxy(FOLDER)  # reads metaxy.toml
with project.get_store().open("write") as store:
    files = store.resolve_update(SourceFile, samples=samples())
    print("source/file:", files)
    store.write_metadata(SourceFile, files.added)
    store.write_metadata(SourceFile, files.changed)
    store.delete_metadata(SourceFile, records=files.removed)

    todo = store.resolve_update(LineCount)
    print("source/line_count:", todo)
    for records in (todo.added, todo.changed):
        paths = records["path"].to_list()
        lines = pl.Series("lines", [count_lines(path) for path in paths], dtype=pl.Int64)
        store.write_metadata(LineCount, records.to_polars().with_columns(lines))
    store.delete_metadata(LineCount, records=todo.removed)
'''


def project_files(project: str) -> Mapping[str, str]:
    """Give the files of a new project: their texts by their names."""
    return {
        "metaxy.toml": _SETTINGS.format(project=json.dumps(project)),
        "features.py": _FEATURES,
        "compute.py": _COMPUTE,
    }


def project_name(folder: str) -> str:
    """Make the name of a project of that of a folder."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", folder).strip("-") or "project"
