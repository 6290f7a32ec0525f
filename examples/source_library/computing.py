"""What is computed for each feature: from the records that must be computed to records to write.

A function here gets `todo`: one row a record of the increment, with the columns that its upstreams
hand on and the provenance that metaxy wants back. It gives the records to write.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import polars as pl

from features import Module
from metaxy import MetadataStore
from sources import SourceModule, parse_module, quick_parsing, read_files

PROVENANCE = "metaxy_provenance_by_field"
DATA_VERSION = "metaxy_data_version_by_field"
SMALL_BYTES, MEDIUM_BYTES = 4_096, 65_536

_parsed = lru_cache(maxsize=None)(parse_module)  # modules and functions come from one parsing


def files(folder: Path) -> pl.DataFrame:
    """The samples of the root: what is in the folder now, with the versions that we give it."""
    rows = [
        {
            "path": file.path,
            "package": file.package,
            "suffix": file.suffix,
            "size_bytes": file.size_bytes,
            "modified_at": file.modified_at,
            PROVENANCE: {"content": file.content_version, "stat": file.stat_version},
        }
        for file in read_files(folder)
    ]
    schema = {
        "path": pl.String,
        "package": pl.String,
        "suffix": pl.String,
        "size_bytes": pl.Int64,
        "modified_at": pl.Datetime("us", "UTC"),
        PROVENANCE: pl.Struct({"content": pl.String, "stat": pl.String}),
    }
    return pl.DataFrame(rows, schema=schema)


def ages(todo: pl.DataFrame) -> pl.DataFrame:
    """When each file was changed, and its size in words."""
    size = pl.col("size_bytes")
    small, medium = size < SMALL_BYTES, size < MEDIUM_BYTES
    words = pl.when(small).then(pl.lit("small")).when(medium).then(pl.lit("medium"))
    return todo.select(
        "path",
        pl.col("modified_at").dt.date().alias("modified_on"),
        words.otherwise(pl.lit("large")).alias("size_class"),
        PROVENANCE,
    )


def modules(todo: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Each file parsed, with versions of its own: features behind it follow what was found."""
    parsed = _parse(todo, folder)
    return todo.select("path", "package", PROVENANCE).with_columns(
        _column("functions", [len(module.functions) for module in parsed], pl.Int64),
        _column("classes", [len(module.classes) for module in parsed], pl.Int64),
        _column("documented", [_documented(module) for module in parsed], pl.Int64),
        _column("problem", [module.problem for module in parsed], pl.String),
        _column(
            DATA_VERSION,
            [
                {"structure": module.structure_version, "docs": module.docs_version}
                for module in parsed
            ],
            pl.Struct({"structure": pl.String, "docs": pl.String}),
        ),
    )


def functions(todo: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """One row a function; `todo` has one row a module, and its provenance goes to each child."""
    rows = [
        (path, function.name, function.kind, function.arguments, function.statements)
        for path, module in zip(todo["path"], _parse(todo, folder), strict=True)
        for function in module.functions
    ]
    schema = {
        "path": pl.String,
        "name": pl.String,
        "kind": pl.String,
        "arguments": pl.Int64,
        "statements": pl.Int64,
    }
    children = pl.DataFrame(rows, schema=schema, orient="row")
    return children.join(todo.select("path", PROVENANCE), on="path", how="left")


def package_summaries(todo: pl.DataFrame, store: MetadataStore) -> pl.DataFrame:
    """The modules of each package that is to be computed, as they are now, counted."""
    wanted = todo.select("package", PROVENANCE)
    members = store.read_metadata(Module, columns=["package", "functions", "documented"]).collect()
    counted = (
        members.to_polars()
        .join(wanted, on="package", how="semi")
        .group_by("package")
        .agg(
            pl.len().cast(pl.Int64).alias("modules"),
            pl.col("functions").sum(),
            pl.col("documented").sum(),
        )
    )
    percent = 100 * pl.col("documented") / pl.col("functions")
    share = pl.when(pl.col("functions") > 0).then(percent).round(1)
    return counted.select(
        "package", "modules", "functions", share.alias("documented_percent")
    ).join(wanted, on="package", how="inner")


def reviews(todo: pl.DataFrame) -> pl.DataFrame:
    """What is undocumented, and since when nobody has touched the file."""
    return todo.select(
        "path",
        (pl.col("functions") - pl.col("documented")).alias("undocumented"),
        pl.col("modified_on").alias("since"),
        PROVENANCE,
    )


def _parse(todo: pl.DataFrame, folder: Path) -> list[SourceModule]:
    with quick_parsing():
        return [_parsed(folder / path) for path in todo["path"]]


def _documented(module: SourceModule) -> int:
    documented = set(module.documented)
    return sum(function.name in documented for function in module.functions)


def _column(name: str, values: Iterable[object], dtype: pl.DataType | type) -> pl.Series:
    return pl.Series(name, list(values), dtype=dtype)
