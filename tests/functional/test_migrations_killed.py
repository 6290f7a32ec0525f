"""A migration that is killed, at any step or moment, and run again comes to the same records."""

import itertools
import random
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.migrations import DiffMigration
from metaxy.migrations.claims import read_state
from support.migration_runs import killed_run, run
from support.refactoring import MIGRATION_ID, contents, fill, migration, narrow, wide

RANDOM_KILLS = 33
Rows = Mapping[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DiffMigration]:
    """A lake to be migrated, and the migration."""
    root = tmp_path_factory.mktemp("before") / "lake"
    with DeltaMetadataStore(root, graph=wide()).open("write") as store:
        fill(store, count=3)
    with DeltaMetadataStore(root, graph=narrow()).open("write") as store:
        return root, migration(store)


@pytest.fixture
def copies(before: tuple[Path, DiffMigration], tmp_path: Path) -> Generator[Callable[[], Path]]:
    """Calling it gives another copy of that lake."""
    numbers = itertools.count()

    def copied() -> Path:
        root = tmp_path / str(next(numbers))
        shutil.copytree(before[0], root)
        return root

    yield copied
    shutil.rmtree(tmp_path)


def found(root: Path) -> tuple[Rows, str]:
    """All rows of a lake, without their instants, and how the migration stands."""
    with DeltaMetadataStore(root, graph=narrow()) as store:
        return contents(store), read_state(store, MIGRATION_ID).status


@pytest.mark.slow
def test_a_run_killed_before_any_of_its_commits_is_taken_up(
    before: tuple[Path, DiffMigration], copies: Callable[[], Path]
) -> None:
    """The claim, the tag, each append, each event, the end: 11 steps."""
    whole = copies()
    commits = run(whole, before[1])
    wanted = found(whole)
    assert (commits, wanted[1]) == (11, "completed")

    for number in range(1, commits + 1):
        root = copies()
        assert killed_run(root=root, step=before[1], dies_before=number)
        assert found(root)[1] == ("pending" if number == 1 else "partial")
        run(root, before[1])
        assert found(root) == wanted, number


@pytest.mark.slow
def test_a_rollback_killed_before_any_of_its_commits_is_taken_up(
    before: tuple[Path, DiffMigration], copies: Callable[[], Path]
) -> None:
    """The claim, each feature, the end; the migration is partial in between."""
    whole = copies()
    run(whole, before[1])
    applied = copies()
    shutil.rmtree(applied)
    shutil.copytree(whole, applied)
    commits = run(whole, before[1], is_rollback=True)
    wanted = found(whole)
    assert (commits, wanted[1]) == (6, "rolled_back")

    for number in range(1, commits + 1):
        root = applied.with_name(f"undone {number}")
        shutil.copytree(applied, root)
        assert killed_run(root=root, step=before[1], is_rollback=True, dies_before=number)
        assert found(root)[1] == ("completed" if number == 1 else "partial")
        run(root, before[1], is_rollback=True)
        assert found(root) == wanted, number


@pytest.mark.slow
def test_runs_killed_at_random_moments_are_taken_up(
    before: tuple[Path, DiffMigration], copies: Callable[[], Path]
) -> None:
    """Killed again and again until one comes through: the rows are those of one whole run."""
    moments = random.Random(4)  # noqa: S311 -- spreads the kills
    whole = copies()
    began = time.monotonic()
    run(whole, before[1], parallel=2)
    longest_s = time.monotonic() - began
    wanted = found(whole)

    kills = 0
    while kills < RANDOM_KILLS:
        root = copies()
        for _ in range(4):
            is_killed = killed_run(
                root=root,
                step=before[1],
                parallel=moments.choice([1, 2]),
                after_s=moments.uniform(0, longest_s),
            )
            kills += is_killed
            if not is_killed:
                break
        run(root, before[1])
        assert found(root) == wanted
        shutil.rmtree(root)
    assert kills >= RANDOM_KILLS
