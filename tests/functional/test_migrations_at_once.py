"""Of several that apply a migration at once, one does the work."""

from pathlib import Path
from typing import Any

import pytest

from metaxy.metadata_store.delta import DeltaMetadataStore
from support.migration_runs import apply_at_once
from support.refactoring import contents, fill, migration, narrow, to_compute, wide
from support.s3_servers import S3Server
from support.store_writers import in_processes


@pytest.mark.parametrize("kind", ["local", "moto"])
def test_one_does_the_work_and_the_others_say_so(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, prefix: str
) -> None:
    """They say who has it, or find it done; each record is carried once."""
    root, options = str(tmp_path / "lake"), dict[str, str]()
    if kind == "moto":
        server: S3Server = request.getfixturevalue("moto")
        root, options = server.owner.uri(prefix), dict(server.owner.storage_options())
    place: dict[str, Any] = {"root_path": root, "storage_options": options}
    with DeltaMetadataStore(graph=wide(), **place).open("write") as lake:
        fill(lake, count=3)
        stale = to_compute(lake)
        before = contents(lake)
    with DeltaMetadataStore(graph=narrow(), **place).open("write") as lake:
        step = migration(lake)

    told = in_processes(apply_at_once, [(root, options, step)] * 3)

    assert [rows for status, rows, _ in told if status == "completed"] == [12]
    assert {status for status, _, _ in told} <= {"completed", "refused", "skipped"}
    assert all("is applying" in said for status, _, said in told if status == "refused")
    with DeltaMetadataStore(graph=narrow(), **place) as lake:
        after = contents(lake)
        assert to_compute(lake) == stale
    more = {key: len(after[key]) - len(before[key]) for key in after}
    assert more == {"video": 0, "transcript": 3, "faces": 3, "summary": 3, "crops": 3}
