"""Copying records from one lake to another: what is copied is worked out first, then carried out.

Rows are copied as they are: with their instants, versions and materialization ids, superseded rows
and tombstones among them, so that the copy answers every question as the source does. Each feature
is one commit. What the destination has already is told by comparing rows, so a copy that was cut
off and is repeated goes on where it was.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import polars as pl

from metaxy.errors import CopyError, counted
from metaxy.metadata_store import pushing, system
from metaxy.metadata_store.alignment import aligned_columns, alignment
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.copied_rows import RowsToCopy, count, missing_parts
from metaxy.metadata_store.copy_planning import (
    Asked,
    FeatureCopy,
    Route,
    copy_plan,
    refuse_conflicts,
)
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.registering import take_over_registration
from metaxy.metadata_store.table_texts import TableTexts
from metaxy.models.keys import FeatureKey


class CopyResult(int):
    """What a copy did with one feature: the number of rows that it wrote, and what else it knows.

    It is a number, as copies have always given one, so that results can be compared and summed.

    Attributes:
        rows_skipped: Rows that were to be copied and that the destination had already.
        version: The destination table's version afterwards; None where it has none.
        files_copied, bytes_copied, files_skipped: With `history=True`, what was done with files.
    """

    rows_skipped: int
    version: int | None
    files_copied: int
    files_skipped: int
    bytes_copied: int

    def __new__(  # noqa: D102 -- the class says it
        cls,
        rows_copied: int,
        *,
        rows_skipped: int = 0,
        version: int | None = None,
        files_copied: int = 0,
        files_skipped: int = 0,
        bytes_copied: int = 0,
    ) -> Self:
        result = super().__new__(cls, rows_copied)
        result.rows_skipped = rows_skipped
        result.version = version
        result.files_copied = files_copied
        result.files_skipped = files_skipped
        result.bytes_copied = bytes_copied
        return result

    @property
    def rows_copied(self) -> int:
        """How many rows were written."""
        return int(self)

    def __repr__(self) -> str:
        files = f", files_copied={self.files_copied}" if self.files_copied else ""
        return f"CopyResult({int(self)}, rows_skipped={self.rows_skipped}{files})"

    def __getnewargs_ex__(self) -> tuple[tuple[int], dict[str, int | None]]:
        return (int(self),), dict(vars(self))


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """How far a copy is.

    Attributes:
        position: The feature's, from 1 to `features`.
        rows: How many of its rows were copied so far.
    """

    feature: FeatureKey
    position: int
    features: int
    rows: int


OnProgress = Callable[[CopyProgress], None]
Tell = Callable[[int], None]
"""Takes how many rows of a feature were copied so far."""


def copy_rows(
    route: Route, asked: Asked, *, on_progress: OnProgress | None
) -> dict[str, CopyResult]:
    """Copy what is lacking; a feature after the other, each in one commit.

    Raises:
        CopyError: A feature couldn't be copied; those before it were, and stay.
    """
    with told_as_copy_errors(route):
        plan = copy_plan(route, asked)
        if plan.features:
            copy_pushes(route.store, plan.pushes)
    return copy_each(route, plan.features, partial(_copied, route), on_progress=on_progress)


def copy_each(
    route: Route,
    features: Sequence[FeatureCopy],
    copied: Callable[[FeatureCopy, Tell], CopyResult],
    *,
    on_progress: OnProgress | None,
) -> dict[str, CopyResult]:
    """Copy a feature after the other, and tell as each begins.

    Args:
        copied: Copies one feature, and tells how many of its rows were copied so far.

    Raises:
        CopyError: A feature couldn't be copied; those before it were, and stay.
    """
    done: dict[str, CopyResult] = {}
    for position, each in enumerate(features, start=1):
        tell = _teller(on_progress, CopyProgress(each.key, position, len(features), 0))
        tell(0)
        try:
            done[str(each.key)] = copied(each, tell)
            if each.registration is not None:
                take_over_registration(route.store, each.registration)
        except Exception as error:
            raise _copy_failure(error, each.key, route, done=done) from error
    return done


@contextmanager
def told_as_copy_errors(route: Route) -> Generator[None]:
    """Turn what storage raises before the first feature is copied into a `CopyError`."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CopyError(
            f"Copying from {route.source.display()} to {route.store.display()} failed: {error}\n"
            "Nothing was copied. Copy again when both lakes answer.",
            copied={},
            store=route.store.display(),
        ) from error


def _copy_failure(
    error: Exception, key: FeatureKey, route: Route, *, done: Mapping[str, CopyResult]
) -> CopyError:
    """The error that says which feature it was, and what was done before it."""
    kept = ", ".join(f"'{name}' ({counted(int(rows), 'row')})" for name, rows in done.items())
    told = f"Copied before it, and kept: {kept}. " if done else "Nothing was copied before it. "
    return CopyError(
        f"Copying '{key}' from {route.source.display()} to {route.store.display()} failed: "
        f"{error}\n"
        f"{told}Copy again to go on; nothing is copied twice.",
        copied=dict(done),
        store=route.store.display(),
        feature=str(key),
    )


def copy_pushes(store: OpenableStore, pushes: pl.DataFrame) -> None:
    """Record the pushes that the store hasn't, whole, so that their graphs can be restored."""
    known = pushing.read_pushes(store).get_column("push_id")
    if pushes.filter(~pl.col("push_id").is_in(known.implode())).is_empty():
        return

    def missing(stored: pl.LazyFrame | None) -> RowsToCopy:
        rows = pushes.lazy()
        if stored is not None:
            rows = rows.join(stored.select("push_id"), on="push_id", how="anti")
        return RowsToCopy(pushes.schema, [rows], _nobody)

    store.settle_hash_settings()
    store.copy_rows_to_store(system.FEATURE_VERSIONS_KEY, missing, CommitNote("system"))


def record_copy(route: Route, copy: FeatureCopy, *, rows: int) -> None:
    """Note in the log that rows came from elsewhere."""
    pushing.record_event(
        route.store,
        "metadata_copied",
        project=copy.project,
        feature=copy.key,
        rows=rows,
        source=route.source.display(),
    )


def _copied(route: Route, copy: FeatureCopy, tell: Tell) -> CopyResult:
    store = route.store
    schema = copy.scan.frame.collect_schema()

    def missing(stored: pl.LazyFrame | None) -> RowsToCopy:
        table = pl.Schema() if stored is None else stored.collect_schema()
        aligning = alignment(schema, table)
        refuse_conflicts(store, copy, aligning)
        common = pl.Schema({name: aligning.schema[name] for name in schema.names()})
        rows = copy.scan.frame.select(aligned_columns(schema, common))
        return RowsToCopy(common, missing_parts(rows, stored, copy.selection), tell)

    was_there = store.table_schema(copy.key) is not None
    store.settle_hash_settings()
    note = CommitNote("copy", snapshot_version=copy.selection.snapshot)
    copied = store.copy_rows_to_store(copy.key, missing, note)
    if copy.registration is not None:
        store.alter_table(copy.key, pl.Schema(), TableTexts.of(copy.registration.contract))
    if copied.rows:
        record_copy(route, copy, rows=copied.rows)
    may_skip = copy.selection.compares and was_there
    skipped = _selected_count(copy) - copied.rows if may_skip else 0
    return CopyResult(copied.rows, rows_skipped=max(skipped, 0), version=copied.version)


def _selected_count(copy: FeatureCopy) -> int:
    """How many rows the copy was about."""
    chosen = missing_parts(copy.scan.frame, None, copy.selection)
    return sum(map(count, chosen))


def _teller(on_progress: OnProgress | None, begun: CopyProgress) -> Tell:
    """Give a function that tells how many rows of a feature were copied."""
    if on_progress is None:
        return _nobody
    return lambda rows: on_progress(replace(begun, rows=rows))


def _nobody(_rows: int) -> None:
    """Tell nobody."""
