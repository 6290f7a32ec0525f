"""Writing the migration file that a change asks for, for somebody to review."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from metaxy.errors import MigrationError, MigrationFileError, counted, listed, told_time
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations import yaml_text
from metaxy.migrations.chain import chain_of
from metaxy.migrations.detect import Detection, detect_changes
from metaxy.migrations.document import INITIAL
from metaxy.migrations.draft import Draft, drafted
from metaxy.migrations.files import MigrationFile, read_folder
from metaxy.migrations.models import DiffMigration
from metaxy.migrations.ops import DataVersionReconciliation, id_part, operation_class
from metaxy.migrations.snapshots import pushed_snapshots
from metaxy.models.keys import FeatureKey

_NOTHING_APPLIED: Final[Mapping[str, str]] = MappingProxyType({})
_MOST_NAMED: Final = 3
_LONGEST_NAME: Final = 80


def detect_diff_migration(
    store: MetadataStore,
    *,
    project: str | None = None,
    from_snapshot: str | None = None,
    to_snapshot: str | None = None,
) -> DiffMigration | None:
    """The migration that `generate_migration` would write, without a parent; None: there is none.

    For the arguments and errors see `detect_changes`.
    """
    detection = detect_changes(
        store, project=project, from_snapshot=from_snapshot, to_snapshot=to_snapshot
    )
    draft = _drafted(detection, name=None, op=None, parent=INITIAL, assume_same_result=False)
    data = draft.to_data()
    del data["version"]
    data["migration_id"] = data.pop("id")
    return DiffMigration.model_validate(data) if draft.operations else None


def draft_migration(
    store: MetadataStore,
    *,
    output_dir: str | Path = "migrations",
    name: str | None = None,
    op: str | None = None,
    from_snapshot: str | None = None,
    to_snapshot: str | None = None,
    project: str | None = None,
    applied: Mapping[str, str] = _NOTHING_APPLIED,
    assume_same_result: bool = False,
) -> Draft:
    """Work out what `generate_migration` would write.

    Returns:
        A draft, without operations where there is nothing to carry; see `why_nothing`.

    Raises:
        MigrationFileError: The files that are there have faults, or one has these snapshots
            already, or there are several heads.
        MigrationError: It isn't clear which project is meant, or `op` is no operation.
        SystemDataNotFoundError: There is no such snapshot, or the project was never pushed.
    """
    detection = detect_changes(
        store, project=project, from_snapshot=from_snapshot, to_snapshot=to_snapshot
    )
    files = read_folder(output_dir).checked()
    chain = chain_of(files, applied=applied)
    draft = _drafted(
        detection, name=name, op=op, parent=chain.head, assume_same_result=assume_same_result
    )
    if draft.operations:
        chain.checked()
        _check_new(files, detection)
    return draft


def generate_migration(
    store: MetadataStore,
    *,
    output_dir: str | Path = "migrations",
    name: str | None = None,
    op: str | None = None,
    from_snapshot: str | None = None,
    to_snapshot: str | None = None,
    project: str | None = None,
    applied: Mapping[str, str] = _NOTHING_APPLIED,
    assume_same_result: bool = False,
) -> Path | None:
    """Write the migration file that a change asks for: every operation, in order, to be reviewed.

    Args:
        output_dir: Where the migration files are; made if it isn't there.
        name: The description in the name of the file; None: made of the features that changed.
        op: The type of the operations on features that changed themselves, such as the path of a
            `MetadataBackfill` of yours; None: `DataVersionReconciliation`, where that is possible.
        from_snapshot: See `detect_changes`, which also has `to_snapshot` and `project`.
        applied: The content hashes of the migrations that were applied, by id.
        assume_same_result: Have operations, too, for features of which it can't be shown that the
            results are the same, such as those of another code version: they say
            `assume_same_result: true`, with a reason that is still to be written.

    Returns:
        The new file; None where nothing changed, or nothing can be carried (see `why_nothing`).

    Raises:
        MigrationFileError: See `draft_migration`; or a file of this name is there.
        MigrationError: It isn't clear which project is meant, or `op` is no operation.
        SystemDataNotFoundError: There is no such snapshot, or the project was never pushed.
    """
    draft = draft_migration(
        store,
        output_dir=output_dir,
        name=name,
        op=op,
        from_snapshot=from_snapshot,
        to_snapshot=to_snapshot,
        project=project,
        applied=applied,
        assume_same_result=assume_same_result,
    )
    return write_draft(draft, output_dir) if draft.operations else None


def write_draft(draft: Draft, output_dir: str | Path) -> Path:
    """Write a draft to a new file, whole or not at all.

    Raises:
        MigrationFileError: A file of this name is there.
    """
    path = Path(output_dir) / f"{draft.migration_id}.yaml"
    try:
        yaml_text.create_file(path, draft.to_text())
    except FileExistsError as error:
        raise MigrationFileError(
            f"{path} is there already and is left as it is. Give another name.",
            migration=draft.migration_id,
        ) from error
    return path


def why_nothing(store: MetadataStore, draft: Draft) -> str:
    """Say why a draft has no operations, and what to do if there should be some."""
    detection = draft.detection
    if draft.left_out:
        head = (
            f"Nothing can be carried over from {detection.from_snapshot_version[:12]} to "
            f"{detection.to_snapshot_version[:12]}, so the records of "
            f"{listed(map(str, draft.left_out))} are to be computed again:"
        )
        reasons = [reason for each in draft.left_out.values() for reason in each]
        lines = [head, *(f"  {reason}" for reason in dict.fromkeys(reasons))]
        hint = assumption_hint(draft)
        return "\n".join(lines if hint is None else [*lines, hint])
    if detection.from_snapshot_version != detection.to_snapshot_version:
        return (
            f"No record is touched by what changed from {detection.from_snapshot_version[:12]} to "
            f"{detection.to_snapshot_version[:12]}: {counted(len(detection.added), 'feature')} "
            f"added, {len(detection.removed)} removed, and no other has another version."
        )
    if detection.changes:
        return (
            f"Only what says the same in other words changed, in "
            f"{listed(str(each.feature) for each in detection.changes)}: no record is touched."
        )
    with store.open("read"):
        pushes = pushed_snapshots(store, detection.project)
    earlier = [push for push in pushes if push.snapshot_version != detection.from_snapshot_version]
    hint = (
        " If the change was pushed already, `metaxy migrations generate --from "
        f"{earlier[0].snapshot_version[:12]}` compares with what was pushed before it, at "
        f"{told_time(earlier[0].recorded_at.replace(microsecond=0))}."
        if earlier
        else ""
    )
    return (
        f"Nothing changed: the snapshot {detection.to_snapshot_version[:12]} of "
        f"{detection.project!r} is the one that it is compared with.{hint}"
    )


def assumption_hint(draft: Draft) -> str | None:
    """Say how features that are left out can be carried; None where that wouldn't help."""
    possible = draft.detection.refusals(assume_same_result=True)
    carried = [str(key) for key in draft.left_out if not possible[key]]
    if not carried:
        return None
    return (
        f"If you know that the results of {listed(carried)} are the same, `metaxy migrations "
        "generate --assume-same-result` writes their operations, and leaves the reasons to you."
    )


def _drafted(
    detection: Detection,
    *,
    name: str | None,
    op: str | None,
    parent: str,
    assume_same_result: bool,
) -> Draft:
    now = datetime.now(UTC).replace(microsecond=0)
    operation = DataVersionReconciliation if op is None else operation_class(op)
    draft = drafted(
        detection,
        migration_id="",
        parent=parent,
        created_at=now,
        operation=operation,
        assume_same_result=assume_same_result,
    )
    chosen = _default_name(draft) if name is None else _slug(name)
    return replace(draft, migration_id=f"{now:%Y%m%d_%H%M%S}_{chosen}")


def _default_name(draft: Draft) -> str:
    """`update_` and the features that changed, or else those that follow from others."""
    own = [each.feature for each in draft.detection.changes if each.is_own]
    with_operations = [each.feature for each in draft.operations]
    named = [key for key in own if key in with_operations] or with_operations
    return f"update_{_joined(named)}"


def _joined(keys: list[FeatureKey]) -> str:
    shown = "_".join(map(id_part, keys[:_MOST_NAMED]))
    more = len(keys) - _MOST_NAMED
    return _slug(shown)[:_LONGEST_NAME] + (f"_and_{more}_more" if more > 0 else "")


def _slug(name: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if name and not slug:
        raise MigrationError(
            f"{name!r} can't be the name of a file: give letters and digits, such as "
            "'narrow_to_audio'."
        )
    return slug


def _check_new(files: Iterable[MigrationFile], detection: Detection) -> None:
    ends = detection.from_snapshot_version, detection.to_snapshot_version
    same = [file.path.name for file in files if file.migration.snapshots == ends]
    if same:
        raise MigrationFileError(
            f"{same[0]} leads from {ends[0][:12]} to {ends[1][:12]} already: review that one, or "
            "take it away first."
        )
