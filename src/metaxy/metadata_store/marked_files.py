"""Which data files of a table have marked rows, in whatever version of it."""

from collections.abc import Callable, Collection, Iterable, Sequence

import polars as pl

from metaxy.metadata_store.marks import Found, Marks
from metaxy.metadata_store.scrubbing import committed_files, data_files
from metaxy.metadata_store.table_files import TableFiles


def found_in_files(
    files: TableFiles,
    marks: Marks,
    columns: Sequence[str],
    *,
    scan: Callable[[str], pl.LazyFrame],
    active: Collection[str],
) -> Found:
    """Look through all data files in the folder of a table.

    Args:
        columns: Which columns of marked rows to give; a file that lacks one has null there.
        scan: Scans a file, named by its path in the folder.
        active: The files of the table's newest version.
    """
    sizes = data_files(files.sizes())
    marked = {
        name: values
        for name in sizes
        if (values := _marked_rows(scan(name), marks, columns, must_read=name in active)).height
    }
    committed = committed_files(files).union(active) if marked else frozenset[str]()
    return Found(
        rows=sum(marked[name].height for name in marked if name in active),
        values=_concatenated(marked.values(), columns),
        files={name: sizes[name] for name in marked if name in committed},
        uncommitted=tuple(sorted(name for name in marked if name not in committed)),
    )


def _marked_rows(
    rows: pl.LazyFrame, marks: Marks, columns: Sequence[str], *, must_read: bool
) -> pl.DataFrame:
    """The marked rows of a file; one row of nulls where it can't be told whether there are any."""
    try:
        names = [name for name in columns if name in rows.collect_schema()]
        marked = marks.marked(rows)
        if not names:  # a literal alone would be a row where there is none
            names, marked = [columns[0]], marked.with_columns(pl.lit(None).alias(columns[0]))
        return marked.select(names).collect()
    except FileNotFoundError:
        if must_read:
            raise
        return pl.DataFrame()
    except BaseException as error:
        # Half a file of a writer that was killed; polars may panic on it, which is no Exception.
        # One that can't be reached is whole, for all that is known, and a tag may need it.
        known = isinstance(error, pl.exceptions.PolarsError)
        if must_read or not (known or type(error).__name__ == "PanicException"):
            raise
        return pl.DataFrame({columns[0]: [None]})


def _concatenated(frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> pl.DataFrame:
    """The values of several files; where their types have nothing in common, as texts."""
    found = [frame.unique() for frame in frames]
    if not found:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null()))
    try:
        return pl.concat(found, how="diagonal_relaxed")
    except pl.exceptions.PolarsError:
        texts = [frame.select(pl.all().cast(pl.String, strict=False)) for frame in found]
        return pl.concat(texts, how="diagonal_relaxed")
