"""What the fingerprint of a storage class depends on."""

from typing import Any

import pytest
from sqlalchemy import Date, Float, ForeignKeyConstraint, Index, Integer, UniqueConstraint
from sqlalchemy.orm import mapped_column

from metaxy.meta_tables import (
    PlatformTimeIndexMetaTable,
    compute_metatable_contract_hash,
)
from metric_tables import INDEX, number_column, storage, text_column, time_column


def _hash(**options: Any) -> str:
    return compute_metatable_contract_hash(storage(**options))


def test_the_fingerprint_is_pinned() -> None:
    """It is on disk."""
    assert _hash() == "206260a409ebe3ee03bbd2308f74a6d18d396646c07c208c1f5f831177fe73de"


@pytest.mark.parametrize(
    "options",
    [
        {"metatable_description": "Other."},
        {"metatable_labels": ["other"]},
        {"metatable_identifier": "other"},
        {"metatable_provisioning": {"other": 1}},
        {"columns": {"value": number_column(info={"description": "Other."})}},
    ],
)
def test_texts_make_no_difference(options: dict[str, Any]) -> None:
    """Nor does where the class stands."""
    assert _hash(**options) == _hash()


def test_names_of_indexes_make_no_difference() -> None:
    """That there is one does."""
    named = [_hash(table_args=(Index(name, "entity_identifier"),)) for name in ("ix_one", "ix_two")]
    constraint = [
        _hash(table_args=(UniqueConstraint("value", name=name),)) for name in ("uq_one", "uq_two")
    ]

    assert named[0] == named[1] != _hash()
    assert constraint[0] == constraint[1] != _hash()


def test_the_class_path_makes_no_difference() -> None:
    """A class may be moved."""
    one = storage("example_project__a", name="One")
    two = storage("example_project__b", name="Two")

    assert compute_metatable_contract_hash(one, include_table_name=False) == (
        compute_metatable_contract_hash(two, include_table_name=False)
    )
    assert compute_metatable_contract_hash(one) != compute_metatable_contract_hash(two)


@pytest.mark.parametrize(
    "options",
    [
        {"columns": {"value": mapped_column(Integer, nullable=False)}},
        {"columns": {"value": number_column(nullable=True)}},
        {"columns": {"value": number_column(unique=True)}},
        {"columns": {"more": number_column(nullable=True)}},
        {"columns": {"value": None}},
        {"columns": {"time_index": mapped_column(Date, nullable=False)}},
        {"index_names": ("time_index",)},
        {"metatable_namespace": "other"},
        {
            "columns": {
                "time_index": time_column(primary_key=True),
                "entity_identifier": text_column(primary_key=True),
            }
        },
    ],
)
def test_what_data_or_programs_would_notice_makes_a_difference(options: dict[str, Any]) -> None:
    """Columns, their order, the grain, the namespace."""
    assert _hash(**options) != _hash()


def test_another_column_in_the_grain_makes_a_difference() -> None:
    """With the very same columns."""
    hashes = [
        _hash(columns={"number": mapped_column(Integer, nullable=False)}, index_names=names)
        for names in ((*INDEX, "number"), INDEX)
    ]

    assert hashes[0] != hashes[1]


def test_foreign_keys_count_with_their_actions_and_without_their_names() -> None:
    """They are part of the fingerprint, though not of the registered contract."""

    def hash_of(**options: Any) -> str:
        key = ForeignKeyConstraint(["entity_identifier"], ["entities.name"], **options)
        return _hash(table_args=(key,))

    plain = hash_of()
    assert plain != _hash()
    assert hash_of(name="fk") == plain
    assert len({plain, hash_of(ondelete="CASCADE"), hash_of(onupdate="CASCADE")}) == 3


def test_extra_components_count() -> None:
    """Whatever they are."""
    table = storage()
    hashes = [
        compute_metatable_contract_hash(table, extra_components=each)
        for each in (None, ["v2"], ["v3"], {"v": 2})
    ]

    assert len(set(hashes)) == 4


def test_only_storage_classes_have_one() -> None:
    """A mixin has no table."""
    with pytest.raises(ValueError, match=r"is no storage class with a table"):
        compute_metatable_contract_hash(PlatformTimeIndexMetaTable)
    with pytest.raises(ValueError, match=r"is no storage class with a table"):
        compute_metatable_contract_hash(Float)  # pyright: ignore[reportArgumentType] -- on purpose
