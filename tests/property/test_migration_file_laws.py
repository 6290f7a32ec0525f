"""What a migration says is the same after it was written and read, whatever the texts are."""

import tempfile
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaxy.migrations import (
    BaseOperation,
    DataVersionReconciliation,
    DiffMigration,
    FullGraphMigration,
    Migration,
)
from metaxy.migrations.models import FeatureVersionsMigration
from metaxy.migrations.ops import CustomFunction, FeatureVersionMigration
from metaxy.migrations.yaml_text import as_comment, parsed, written
from metaxy.models.keys import FeatureKey

# What a parser could take for something else: numbers, times, booleans, nothing, structure.
TRICKY = [
    *("", " ", "null", "~", "yes", "true", "12345678", "12e45678", "0x1F", "1_000", ".inf"),
    *("2026-01-31", "2026-01-31T12:00:00Z", "- a", "a: b", "a #b", "#", "*x", "&x", "!x"),
    *("'", '"', "\\", "a\n\n b\n", "\ta", "a\r\nb", "\u2028", "\x85", "\ufeff", "\x00", "|"),
    *("%x", "=", "<<", "{", "@", "`", "---", "...", "?", ": ", "a:", "\n", "\x07", "😀"),
]
TEXTS = st.sampled_from(TRICKY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
PARTS = st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True) | st.sampled_from(["null", "1e5", "on"])
KEYS = st.lists(PARTS, min_size=1, max_size=3).map(FeatureKey)
HEADS = st.fixed_dictionaries(
    {
        "migration_id": IDS,
        "parent": IDS,
        "description": TEXTS,
        "created_at": st.datetimes(timezones=st.just(UTC)),
        "project": st.none() | TEXTS,
    }
)
RECONCILIATIONS = st.builds(
    DataVersionReconciliation,
    id=TEXTS.filter(bool),
    feature_key=st.none() | KEYS,
    reason=TEXTS,
    assume_same_result=st.booleans(),
)
OLDER = st.builds(
    FeatureVersionMigration,
    id=TEXTS.filter(bool),
    feature_key=KEYS,
    from_feature_version=TEXTS,
    to_feature_version=TEXTS,
    reason=TEXTS,
)
FUNCTIONS = st.builds(
    CustomFunction, id=TEXTS.filter(bool), feature_key=KEYS, python_function=TEXTS, reason=TEXTS
)


def operations(
    *kinds: st.SearchStrategy[BaseOperation], least: int = 0
) -> st.SearchStrategy[tuple[BaseOperation, ...]]:
    """Operations with ids of their own."""
    return st.lists(
        st.one_of(*kinds), min_size=least, max_size=3, unique_by=lambda each: each.id
    ).map(tuple)


@st.composite
def migrations(draw: st.DrawFn) -> Migration:
    """Migrations of every kind that files can have."""
    head = draw(HEADS)
    kind = draw(st.sampled_from(["diff", "full", "older"]))
    if kind == "diff":
        ops = draw(operations(RECONCILIATIONS, FUNCTIONS))
        ends = {"from_snapshot_version": draw(TEXTS), "to_snapshot_version": draw(TEXTS)}
        return DiffMigration.model_validate(head | ends | {"ops": ops})
    if kind == "full":
        ops = draw(operations(FUNCTIONS))
        return FullGraphMigration.model_validate(
            head | {"snapshot_version": draw(TEXTS), "ops": ops}
        )
    ops = draw(operations(OLDER, FUNCTIONS, least=1))
    return FeatureVersionsMigration.model_validate(head | {"ops": ops})


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_texts_are_read_as_they_were(text: str) -> None:
    """Also in place of a text of any style."""
    for style in ("plain", "'single'", '"double"', "|\n  block\n", ">-\n  folded\n", "5", "[a]"):
        over = f"a: {style}\n# kept\nb: 1\n"
        result = written({"a": text, "b": 1}, over=over)

        assert parsed(result, source="it") == {"a": text, "b": 1}
        assert "# kept" in result


@settings(max_examples=60)
@given(migration=migrations())
def test_what_is_written_is_read(migration: Migration) -> None:
    """All values, and so the content hash."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.yaml"
        migration.to_yaml(file)
        read = Migration.from_yaml(file)

    assert read == migration
    assert read.content_hash == migration.content_hash


@settings(max_examples=40)
@given(before=migrations(), after=migrations())
def test_writing_over_any_file_gives_the_new_migration(before: Migration, after: Migration) -> None:
    """Whatever the file said; once more changes nothing."""
    text = written(after.to_data(), over=before.to_yaml())

    assert parsed(text, source="it") == parsed(after.to_yaml(), source="it")
    assert written(after.to_data(), over=text) == text


@settings(max_examples=30)
@given(migration=migrations(), comment=TEXTS)
def test_comments_change_nothing_and_stay(migration: Migration, comment: str) -> None:
    """Any text can be a comment."""
    noted = as_comment(comment) + migration.to_yaml()

    assert parsed(noted, source="it") == migration.to_data()
    assert written(migration.to_data(), over=noted).startswith(as_comment(comment))
