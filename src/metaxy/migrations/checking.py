"""What is wrong with the migrations of a project: for `metaxy migrations check`, and so for CI.

Nothing is written, and no records are read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from metaxy.errors import MetaxyError, SystemDataNotFoundError, counted
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations.chain import chain_of
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
refused; `step`: the lake is at other definitions than the code, and no migration leads there.
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
    """

    project: str
    migrations: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def __str__(self) -> str:
        if self.is_sound:
            return f"{self.project}: all is well with {counted(len(self.migrations), 'migration')}."
        return "\n".join(map(str, self.findings))


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
            *_out_of_step(store, folder.files, owner),
        ]
    ids = tuple(file.id for file in chain.order)
    return CheckReport(project=owner, migrations=ids, findings=tuple(findings))


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
) -> Iterator[Finding]:
    """Tell a code that is at other definitions than the lake, without a migration that leads there.

    A lake that nothing was pushed to has no records to migrate.
    """
    pushed = [each.snapshot_version for each in pushed_snapshots(store, project)]
    code = code_snapshot(store, project)
    if not pushed or pushed[0] == code:
        return
    for file in files:
        try:
            ends = file.migration.resolved(store, project).snapshots
            if ends is not None and whole_version(ends[1], [code, *pushed]) == code:
                return
        except SystemDataNotFoundError:
            continue
    yield Finding(
        kind="step",
        message=(
            f"The code of {project!r} has the snapshot {code[:_SHOWN]}, what was pushed last is "
            f"{pushed[0][:_SHOWN]}, and no migration leads there. Run `metaxy migrations generate` "
            "if results are the same, or `metaxy push` if all that changed is to be computed again."
        ),
    )


def _finding(kind: FindingKind, file: MigrationFile, message: str) -> Finding:
    return Finding(kind=kind, message=f"{file.path.name}: {message}", migration=file.id)
