"""Migrations whose requests fail: repeated until completed, they carry each record once."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from metaxy.errors import MetaxyError
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.migrations import DiffMigration, apply_migration
from metaxy.migrations.claims import read_state
from support.fault_proxy import Fault, FaultProxy
from support.refactoring import MIGRATION_ID, contents, fill, migration, narrow, wide
from support.removals import downloaded, upload
from support.s3_endpoint import S3Endpoint
from support.trials import HURRIED, MANY_FAULTS

TRIES: Final = 20
COMMIT: Final = "*/_delta_log/*.json"


@dataclass(frozen=True)
class Migrated:
    """A lake to be migrated, the migration, and all rows of the lake when it went well."""

    folder: Path
    step: DiffMigration
    wanted: Mapping[str, Any]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    """The lake and the migration."""
    folder = tmp_path_factory.mktemp("migrated")
    lake, whole = folder / "lake", folder / "whole"
    with DeltaMetadataStore(lake, graph=wide()).open("write") as store:
        fill(store, count=3)
    with DeltaMetadataStore(lake, graph=narrow()).open("write") as store:
        step = migration(store)
    shutil.copytree(lake, whole)
    with DeltaMetadataStore(whole, graph=narrow()).open("write") as store:
        assert apply_migration(store, step).status == "completed"
        return Migrated(lake, step, contents(store))


FAULTS: Final[dict[str, tuple[Fault, ...]]] = {
    "many": MANY_FAULTS,
    "answers": (Fault("lose_answer", "PUT", COMMIT),),
    "rows": (*(Fault("refuse", "GET", "*.parquet", nth=n, status=403) for n in range(5, 60, 7)),),
}


@pytest.mark.slow
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_a_migration_under_faults_carries_each_record_once(
    case: Migrated,
    proxy: FaultProxy,
    lake: S3Endpoint,
    prefix: str,
    tmp_path: Path,
    faults: tuple[Fault, ...],
) -> None:
    """What goes wrong is told as metaxy's errors are; what was done is not done again."""
    upload(case.folder, lake, prefix)
    told: list[str] = []
    while not {"completed", "skipped"} & set(told):
        assert len(told) < TRIES, told
        told.append(_tried(proxy, prefix, case.step, faults, seed=len(told)))

    folder = downloaded(lake, prefix, tmp_path / "seen")
    with DeltaMetadataStore(folder, graph=narrow()) as store:
        assert contents(store) == case.wanted
        assert read_state(store, MIGRATION_ID).status == "completed"
    assert any(request.faults for request in proxy.requests())


def _tried(
    proxy: FaultProxy, prefix: str, step: DiffMigration, faults: tuple[Fault, ...], *, seed: int
) -> str:
    """Apply the migration under faults: its status, or the error that there was."""
    endpoint = proxy.endpoint
    store = DeltaMetadataStore(
        endpoint.uri(prefix),
        graph=narrow(),
        storage_options=endpoint.storage_options() | HURRIED,
    )
    try:
        with store.open("write"):
            proxy.set_faults(*faults, seed=seed)
            return apply_migration(store, step).status
    except MetaxyError as error:
        return str(error)
    finally:
        proxy.set_faults()
