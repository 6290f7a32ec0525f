"""What is wrong with the migrations of a project: for `metaxy migrations check`, and so for CI.

Nothing is written, and no records are read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from metaxy.errors import MetaxyError, SystemDataNotFoundError, counted, listed
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.chain import chain_of
from metaxy.migrations.detect import detect_changes
from metaxy.migrations.files import MigrationFile, read_folder
from metaxy.migrations.models import Migration
from metaxy.migrations.ops import DataVersionReconciliation
from metaxy.migrations.readiness import unready_reasons
from metaxy.migrations.reconciliation import refusals
from metaxy.migrations.snapshots import (
    code_snapshot,
    graph_at,
    migrated_project,
    pushed_snapshots,
    whole_version,
)

FindingKind: TypeAlias = Literal["file", "chain", "reason", "snapshot", "operation", "step"]
"""What a finding is about.

`file`: a file can't be read; `chain`: parents, ids, edits; `reason`: one is still to be written;
`snapshot`: the lake doesn't know one; `operation`: it contradicts the definitions, or would be
refused; `step`: the lake is at other definitions than the code, records could be carried over, and
no migration does so. That is no fault, but a decision that is still to be made.
"""

_NOTHING_APPLIED: Final[Mapping[str, str]] = MappingProxyType({})
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        migration: The id of the migration that it is about; None where it is about none.
    """

    kind: FindingKind
    message: str
    migration: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All that is wrong with the migrations of a project.

    Attributes:
        migrations: The ids of those that can be read, in the order of the chain.
        findings: In the order of their kinds; empty if all is well.
        notes: What else is to be known, in sentences.
    """

    project: str
    migrations: tuple[str, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong, and nothing to be decided."""
        return not self.findings

    @property
    def is_undecided(self) -> bool:
        """Whether all that is found is that the code has changed and no migration follows it."""
        return bool(self.findings) and all(each.kind == "step" for each in self.findings)

    def __str__(self) -> str:
        if self.is_sound:
            well = f"{self.project}: all is well with {counted(len(self.migrations), 'migration')}."
            return "\n".join([well, *self.notes])
        return "\n".join([*map(str, self.findings), *self.notes])


def check_migrations(
    store: MetadataStore,
    migrations_dir: str | Path = "migrations",
    *,
    project: str | None = None,
    applied: Mapping[str, str] = _NOTHING_APPLIED,
) -> CheckReport:
    """Look at all migration files of a project, at the lake and at the code.

    Args:
        project: Whose; None: the store's, or the only one in the code.
        applied: The content hashes of the migrations that were applied, by id. Of these only
            edits are told: what they name may be gone.

    Raises:
        MigrationError: It isn't clear which project is meant.
    """
    with store.open("read"):
        owner = migrated_project(store, project)
        folder = read_folder(migrations_dir)
        chain = chain_of(folder.files, applied=applied)
        pending = [file for file in folder.files if file.id not in applied]
        findings = [
            *(Finding(kind="file", message=fault) for fault in folder.faults),
            *(Finding(kind="chain", message=fault) for fault in chain.faults),
            *(found for file in pending for found in _unwritten(file)),
            *(found for file in pending for found in _unsuited(store, file, owner)),
        ]
        step, notes = _out_of_step(store, folder.files, owner)
    ids = tuple(file.id for file in chain.order)
    return CheckReport(
        project=owner, migrations=ids, findings=(*findings, *step), notes=tuple(notes)
    )


def _unwritten(file: MigrationFile) -> Iterator[Finding]:
    try:
        reasons: Sequence[str] = unready_reasons(file.migration)
    except MetaxyError as error:
        yield _finding("operation", file, str(error))
        return
    for reason in reasons:
        yield _finding("reason", file, reason)


def _unsuited(store: MetadataStore, file: MigrationFile, project: str) -> Iterator[Finding]:
    """Tell snapshots that nobody knows, else operations that can't be done."""
    try:
        migration = file.migration.resolved(store, project)
        for version in migration.snapshots or ():
            graph_at(store, version)
    except SystemDataNotFoundError as error:
        yield _finding("snapshot", file, str(error))
        return
    try:
        reasons = list(_refused(store, migration, project))
    except MetaxyError as error:
        reasons = [str(error)]
    for reason in reasons:
        yield _finding("operation", file, reason)


def _refused(store: MetadataStore, migration: Migration, project: str) -> Iterator[str]:
    ends = migration.snapshots
    if ends is None:
        return
    operations = migration.operations(store, project)
    old, new = (graph_at(store, each) for each in ends)
    carried = frozenset(each.feature_key for each in operations)
    for each in operations:
        feature = each.feature_key
        if isinstance(each, DataVersionReconciliation):
            yield from refusals(
                old,
                new,
                feature,
                assume_same_result=each.assume_same_result,
                carried=carried,
            )


def _out_of_step(
    store: MetadataStore, files: Sequence[MigrationFile], project: str
) -> tuple[list[Finding], list[str]]:
    """Tell a code that is at other definitions than the lake, without a migration that leads there.

    Where no record could be carried over there is no migration to be missed, but a note. A lake
    that nothing was pushed to has no records to migrate.
    """
    pushed = [each.snapshot_version for each in pushed_snapshots(store, project)]
    code = code_snapshot(store, project)
    if not pushed or pushed[0] == code:
        return [], []
    if _leads_to(code, files, pushed=pushed, store=store, project=project):
        return [], []
    head = (
        f"The code of {project!r} has the snapshot {code[:_SHOWN]}, what was pushed last is "
        f"{pushed[0][:_SHOWN]}"
    )
    refused = detect_changes(store, project=project).refusals()
    carried = [str(key) for key, reasons in refused.items() if not reasons]
    anew = [str(key) for key, reasons in refused.items() if reasons]
    computed = f"the records of {listed(anew)} are to be computed again" if anew else ""
    if not carried:
        why = computed or "no record is touched by what changed"
        return [], [f"{head}, and {why}: no migration is needed, and `metaxy push` records it."]
    more = f" In any case {computed}." if computed else ""
    message = (
        f"{head}, and no migration leads there. Run `metaxy migrations generate` if the results of "
        f"{listed(carried)} are the same, or `metaxy push` if they are to be computed again.{more}"
    )
    return [Finding(kind="step", message=message)], []


def _leads_to(
    code: str,
    files: Sequence[MigrationFile],
    *,
    pushed: Sequence[str],
    store: MetadataStore,
    project: str,
) -> bool:
    """Whether one of the migrations ends at the code."""
    for file in files:
        try:
            ends = file.migration.resolved(store, project).snapshots
            if ends is not None and whole_version(ends[1], [code, *pushed]) == code:
                return True
        except SystemDataNotFoundError:
            continue
    return False


def _finding(kind: FindingKind, file: MigrationFile, message: str) -> Finding:
    return Finding(kind=kind, message=f"{file.path.name}: {message}", migration=file.id)
