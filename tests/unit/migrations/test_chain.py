"""Migrations are one chain; whatever keeps them from it is told at once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from metaxy.errors import MigrationFileError
from metaxy.migrations.chain import chain_of
from metaxy.migrations.files import MigrationFile
from metaxy.migrations.models import DiffMigration, FeatureVersionsMigration

AT = datetime(2026, 1, 1, tzinfo=UTC)


def file(name: str, parent: str = "initial", *, path: str | None = None) -> MigrationFile:
    """A file of a migration."""
    migration = DiffMigration(
        migration_id=name,
        created_at=AT,
        parent=parent,
        from_snapshot_version="a",
        to_snapshot_version="b",
    )
    return MigrationFile(Path("migrations") / (path or f"{name}.yaml"), migration)


def older(name: str, parent: str = "initial") -> MigrationFile:
    """A file of the oldest format, which names no parent."""
    migration = FeatureVersionsMigration(migration_id=name, created_at=AT, parent=parent)
    return MigrationFile(Path(f"{name}.yaml"), migration)


def test_order_is_by_parents_not_by_names() -> None:
    """The last one is the head."""
    chain = chain_of([file("a", "c"), file("b", "a"), file("c")])

    assert [each.id for each in chain.checked()] == ["c", "a", "b"]
    assert (chain.heads, chain.head, chain.faults) == (("b",), "b", ())


def test_no_files_are_a_chain() -> None:
    """The first migration will have the parent `initial`."""
    chain = chain_of([])

    assert (chain.order, chain.heads, chain.head, chain.faults) == ((), (), "initial", ())


def test_several_heads_are_told() -> None:
    """With the way out."""
    chain = chain_of([file("a"), file("b", "a"), file("c", "a")])

    assert chain.heads == ("b", "c")
    assert [each.id for each in chain.order] == ["a", "b", "c"]
    way_out = (
        "There must be one last migration: decide which of them comes later, and make the other "
        "one its 'parent'."
    )
    assert chain.faults == (f"2 migrations are the parent of none: b.yaml, c.yaml. {way_out}",)
    with pytest.raises(MigrationFileError) as caught:
        _ = chain.head
    assert str(caught.value) == (
        f"The migrations form no chain: 2 migrations are the parent of none: b, c. {way_out}"
    )


def test_a_missing_parent_is_told() -> None:
    """With the nearest that there is; what comes after it has no place."""
    chain = chain_of([file("first"), file("second", "frist"), file("third", "second")])

    assert chain.faults[0] == (
        "2 migrations are the parent of none: first.yaml, third.yaml. There must be one last "
        "migration: decide which of them comes later, and make the other one its 'parent'."
    )
    assert chain.faults[1] == (
        "second.yaml has the parent 'frist', which is no migration here. Did you mean 'first'? "
        "The first migration has the parent 'initial'."
    )
    assert [each.id for each in chain.order] == ["first"]


def test_files_of_applied_migrations_may_be_gone() -> None:
    """They needn't be kept for ever."""
    chain = chain_of([file("b", "a"), file("c", "b")], applied={"a": "hash of a"})

    assert chain.faults == ()
    assert [each.id for each in chain.order] == ["b", "c"]


def test_a_cycle_is_drawn_once() -> None:
    """From its smallest id; what hangs on it has no place either."""
    files = [file("a", "c"), file("b", "a"), file("c", "b"), file("d", "a"), file("e", "e")]
    chain = chain_of(files)

    assert chain.faults == (
        "Migrations come before themselves: a.yaml -> c.yaml -> b.yaml -> a.yaml (each with its "
        "parent).",
        "Migrations come before themselves: e.yaml -> e.yaml (each with its parent).",
    )
    assert chain.order == ()


def test_an_id_that_two_files_have_is_told() -> None:
    """With both names."""
    chain = chain_of([file("a", path="x.yaml"), file("a", path="y.py")])

    assert chain.faults == ("2 files have the id 'a': x.yaml, y.py. Keep one of them.",)


def test_an_edit_after_it_was_applied_is_told() -> None:
    """One that was not edited is not."""
    edited, kept = file("a"), file("b", "a")
    then = "0123456789abcdef"
    chain = chain_of(
        [edited, kept], applied={"a": then, "b": kept.migration.content_hash, "gone": "x"}
    )

    now = edited.migration.content_hash[:12]
    assert chain.faults == (
        f"a.yaml was edited after it was applied: its content was 0123456789ab and is {now}. Undo "
        "the edit, and write a new migration for what is still to be done.",
    )


def test_files_of_the_oldest_format_follow_each_other_by_name() -> None:
    """They name no parents; a newer file can follow the last of them."""
    chain = chain_of([older("3"), older("1"), file("9", "3"), older("2")])

    assert [each.id for each in chain.checked()] == ["1", "2", "3", "9"]


def test_all_faults_come_at_once() -> None:
    """Counted and sorted."""
    files = [file("a", "x"), file("b"), file("b", path="c.yaml"), file("e", "e")]
    chain = chain_of(files, applied={"b": "f" * 64})
    with pytest.raises(MigrationFileError) as caught:
        chain.checked()

    assert str(caught.value).splitlines()[0] == "The migrations form no chain, 6 faults:"
    assert caught.value.reasons == chain.faults
    assert [each[:20] for each in chain.faults] == [
        "2 files have the id ",
        "2 migrations are the",
        "Migrations come befo",
        "a.yaml has the paren",
        "b.yaml was edited af",
        "c.yaml was edited af",
    ]
