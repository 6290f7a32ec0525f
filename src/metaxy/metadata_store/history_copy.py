"""Copying tables with all their versions, so that time travel works in the copy."""

from metaxy.errors import StoreError, UsageError
from metaxy.metadata_store.copied_rows import count
from metaxy.metadata_store.copy_planning import Asked, FeatureCopy, Route, copy_plan
from metaxy.metadata_store.copying import (
    CopyResult,
    OnProgress,
    Tell,
    copy_each,
    copy_pushes,
    record_copy,
    told_as_copy_errors,
)
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.table_files import TableFiles, copy_table_files
from metaxy.models.keys import FeatureKey


def copy_histories(
    route: Route, asked: Asked, *, on_progress: OnProgress | None
) -> dict[str, CopyResult]:
    """Copy tables file by file, a feature after the other.

    Raises:
        CopyError: A table couldn't be copied; those before it were, and stay.
        ValueError: Only some rows are wanted.
    """
    if asked.snapshot is not None or asked.filters:
        raise UsageError(
            "history=True copies whole tables with all their versions: it takes neither filters "
            "nor from_snapshot."
        )
    with told_as_copy_errors(route):
        plan = copy_plan(route, asked)
        folders = {each.key: _folders(route, each.key) for each in plan.features}
        if plan.features:
            route.store.settle_hash_settings()
            copy_pushes(route.store, plan.pushes)

    def copied(copy: FeatureCopy, tell: Tell) -> CopyResult:
        result = _copied_table(route, copy, folders[copy.key])
        tell(result.rows_copied)
        return result

    return copy_each(route, plan.features, copied, on_progress=on_progress)


Folders = tuple[TableFiles, TableFiles]
"""Of the source, and of the destination."""


def _copied_table(route: Route, copy: FeatureCopy, folders: Folders) -> CopyResult:
    store = route.store
    before = _rows(store, copy.key)
    files = copy_table_files(*folders)
    rows = max(_rows(store, copy.key) - before, 0)
    if files.copied:
        record_copy(route, copy, rows=rows)
    return CopyResult(
        rows,
        rows_skipped=before,
        files_copied=files.copied,
        files_skipped=files.skipped,
        bytes_copied=files.copied_bytes,
    )


def _rows(store: OpenableStore, key: FeatureKey) -> int:
    scan = store.scan_in_store(key, None)
    return 0 if scan is None else count(scan.frame)


def _folders(route: Route, key: FeatureKey) -> Folders:
    store, source = route.store, route.source
    theirs, ours = source.table_files(key), store.table_files(key)
    for files, lake in ((theirs, source), (ours, store)):
        if files is None:
            raise StoreError(
                f"{lake.display()} can't list the files of its tables, and histories are copied "
                "file by file. Copy the rows: history=False.",
                store=lake.display(),
                feature=str(key),
            )
    assert theirs is not None  # noqa: S101 -- told above
    assert ours is not None  # noqa: S101
    return theirs, ours
