"""The versions that a record is written with."""

import polars as pl

from lake_rows import provenance
from metaxy.models.keys import FieldKey
from metaxy.versioning.provenance import with_data_versions, with_record_provenance
from metaxy.versioning.row_hash import RowHasher
from reference.row_bytes import header, row_text

FIELDS = [FieldKey("audio/french"), FieldKey("picture")]


def test_the_provenance_of_a_record_names_its_fields() -> None:
    """Sorted by key; the struct gets its fields in the order of the column names."""
    frame = pl.LazyFrame({"metaxy_provenance_by_field": [{"picture": "p", "audio_french": "a"}]})

    row = with_record_provenance(frame, FIELDS, hasher=RowHasher()).collect().row(0, named=True)

    assert list(row["metaxy_provenance_by_field"].items()) == [
        ("audio_french", "a"),
        ("picture", "p"),
    ]
    assert row["metaxy_provenance"] == row_text(
        [header('["audio/french","picture"]'), "a", "p"], algorithm="xxhash64"
    )


def _versioned(given: list[object] | None, *supplied: FieldKey) -> pl.DataFrame:
    by_field = [{"audio_french": "a", "picture": "p"}] * len(given or [None])
    frame = pl.LazyFrame({"metaxy_provenance_by_field": by_field})
    if given is not None:
        fields = {each.column_name: pl.String() for each in supplied}
        column = pl.Series("metaxy_data_version_by_field", given, dtype=pl.Struct(fields))
        frame = frame.with_columns(column)
    hasher = RowHasher()
    known = with_record_provenance(frame, FIELDS, hasher=hasher)
    return with_data_versions(known, FIELDS, supplied=supplied, hasher=hasher).collect()


def test_data_versions_are_the_provenance_unless_they_are_supplied() -> None:
    """Field by field, and as a whole."""
    row = _versioned(None).row(0, named=True)

    assert row["metaxy_data_version_by_field"] == row["metaxy_provenance_by_field"]
    assert row["metaxy_data_version"] == row["metaxy_provenance"]


def test_a_supplied_null_falls_back_to_the_provenance() -> None:
    """Of a field, and of the whole struct; an empty text is a version of its own."""
    frame = _versioned([{"picture": "mine"}, {"picture": ""}, {"picture": None}, None], FIELDS[1])

    assert frame["metaxy_data_version_by_field"].to_list() == [
        {"audio_french": "a", "picture": picture} for picture in ("mine", "", "p", "p")
    ]
    whole = frame["metaxy_data_version"].to_list()
    assert whole[2:] == frame["metaxy_provenance"].to_list()[2:]
    assert len(set(whole)) == 3


def test_the_tests_write_provenance_as_the_library_does() -> None:
    """What the builders of other tests say."""
    frame = pl.LazyFrame({"metaxy_provenance_by_field": [{"default": "1"}]})
    found = with_record_provenance(frame, [FieldKey("default")], hasher=RowHasher()).collect()

    assert found["metaxy_provenance"].item() == provenance("default", values=["1"])
