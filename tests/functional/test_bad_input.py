"""What users give wrongly to a store, and what they are told; nothing is ever written."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import narwhals as nw
import polars as pl
import pytest
from deltalake import DeltaTable

from definitions import feature, graph_of
from films import BY_FIELD, films, stored, videos
from metaxy.errors import (
    ConfigError,
    FeatureNotFoundError,
    FilterError,
    InvalidKeyError,
    MetadataSchemaError,
    MissingColumnsError,
    MissingSamplesError,
    StoreError,
    StoreNotOpenError,
    StoreReadOnlyError,
    SystemDataNotFoundError,
    VersioningEngineMismatchError,
)
from metaxy.feature.base import BaseFeature
from metaxy.metadata_store.delta import DeltaMetadataStore

GOOD = videos(("a", "1", "1"), ("b", "1", "1"))


class Plain(BaseFeature):
    """A class that declares no feature."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeltaMetadataStore]:
    """A store with a video `z` that has a path."""
    graph = graph_of(
        *films().definitions.values(),
        feature("photo", columns=("path",), fields=["default"]),
    )
    store = DeltaMetadataStore(tmp_path / "lake", graph=graph)
    with store.open("write"):
        store.write_metadata("video", videos(("z", "1", "1"), path=["p"]))
        yield store


@pytest.fixture(autouse=True)
def _nothing_is_written(store: DeltaMetadataStore) -> Iterator[None]:
    before = files(store)
    yield
    assert files(store) == before
    assert DeltaTable(store.table_path("video")).version() == 1
    assert stored(store, "video", "id") == ["z"]


def files(store: DeltaMetadataStore) -> list[str]:
    """Every file of a lake."""
    return sorted(
        str(Path(at) / name) for at, _, names in os.walk(store.root_path) for name in names
    )


def reasons(store: DeltaMetadataStore, frame: Any, feature_key: str = "video") -> list[str]:
    """Why a frame can't be written."""
    with pytest.raises(MetadataSchemaError) as raised:
        store.write_metadata(feature_key, frame)
    told = str(raised.value)
    assert f"'{feature_key}'" in told
    assert all(reason in told for reason in raised.value.reasons)
    return list(raised.value.reasons)


def test_a_missing_id_is_told_with_the_likely_slip(store: DeltaMetadataStore) -> None:
    """The columns that there are come along."""
    assert reasons(store, GOOD.rename({"id": "Id"})) == [
        "'id' and 'Id' differ only by case, which Delta ignores: rename one",
        "the id column 'id' is missing; the frame has 'Id'. Did you mean 'Id'?",
    ]


def test_null_ids_are_counted(store: DeltaMetadataStore) -> None:
    """However many there are, they are one reason; they are no duplicates."""
    frame = pl.concat([GOOD, GOOD.with_columns(id=pl.lit(None, pl.String))])

    assert reasons(store, frame) == ["the id column 'id' is null in 2 rows"]
    assert reasons(store, frame.lazy()) == ["the id column 'id' is null in 2 rows"]


def test_duplicate_ids_are_counted_and_shown(store: DeltaMetadataStore) -> None:
    """A few of them, sorted, with how often each comes."""
    rows = [(name, "1", "1") for name in "eabcdabcda"]

    assert reasons(store, videos(*rows)) == [
        "4 ids more than once: id='a' (3 rows), id='b' (2 rows), id='c' (2 rows), …; "
        "write one row a record"
    ]
    assert reasons(store, videos(*rows).lazy()) == reasons(store, videos(*rows))


@pytest.mark.parametrize("dtype", [pl.Float64, pl.List(pl.Int64), pl.Binary])
def test_an_id_must_be_able_to_name_records(tmp_path: Path, dtype: Any) -> None:
    """Floats, lists and bytes can't."""
    frame = videos(("1", "1", "1")).with_columns(id=pl.Series([None], dtype=dtype))
    with DeltaMetadataStore(tmp_path / "other", graph=films()).open("write") as store:
        told = reasons(store, frame)

    assert told[0] == (
        f"the id column 'id' is {frame['id'].dtype}, which can't name records: use a string, an "
        "integer, a date or a UTC datetime"
    )
    assert not (tmp_path / "other").exists()


def test_missing_provenance_is_told(store: DeltaMetadataStore) -> None:
    """With the fields that it must have."""
    assert reasons(store, GOOD.drop(BY_FIELD)) == [
        "'metaxy_provenance_by_field' is missing: a struct of texts with the fields 'audio', "
        "'frames': of a root the versions that you choose, else as resolve_update gives it"
    ]


def test_null_provenance_is_counted(store: DeltaMetadataStore) -> None:
    """A null struct is null in every field."""
    struct = pl.struct(audio=pl.lit("1"), frames=pl.lit(None, pl.String))
    nothing = pl.lit(None, pl.Struct({"audio": pl.String, "frames": pl.String}))

    assert reasons(store, GOOD.with_columns(struct.alias(BY_FIELD))) == [
        "'metaxy_provenance_by_field.frames' is null in 2 rows"
    ]
    assert reasons(store, GOOD.with_columns(nothing.alias(BY_FIELD))) == [
        "'metaxy_provenance_by_field.audio' is null in 2 rows",
        "'metaxy_provenance_by_field.frames' is null in 2 rows",
    ]


def test_provenance_must_be_of_the_features_fields(store: DeltaMetadataStore) -> None:
    """Fields too few, too many, and versions that are no texts, are told at once."""
    struct = pl.struct(audio=pl.lit(1), pictures=pl.lit("1")).alias(BY_FIELD)

    assert reasons(store, GOOD.with_columns(struct)) == [
        "'metaxy_provenance_by_field' has 'pictures', which the feature doesn't have among its "
        "fields 'audio', 'frames'",
        "'metaxy_provenance_by_field' lacks the fields 'frames'",
        "'metaxy_provenance_by_field.audio' is Int32; versions are texts: cast it to String",
    ]
    assert reasons(store, GOOD.with_columns(pl.lit("1").alias(BY_FIELD))) == [
        "'metaxy_provenance_by_field' is String; it must be a struct of 'audio', 'frames'"
    ]


def test_supplied_data_versions_must_be_of_the_features_fields(store: DeltaMetadataStore) -> None:
    """They may lack fields, but have none that there aren't."""
    struct = pl.struct(sound=pl.lit("1")).alias("metaxy_data_version_by_field")

    assert reasons(store, GOOD.with_columns(struct)) == [
        "'metaxy_data_version_by_field' has 'sound', which the feature doesn't have among its "
        "fields 'audio', 'frames'"
    ]


def test_a_column_must_be_what_the_class_declares(store: DeltaMetadataStore) -> None:
    """Of another type, missing or null, it is refused."""
    photos = pl.DataFrame({"id": ["a"], "path": [1], BY_FIELD: [{"default": "1"}]})

    assert reasons(store, photos, "photo") == [
        "'path' is Int64, and the class declares String: cast it, or change the class"
    ]
    assert reasons(store, photos.rename({"path": "paths"}), "photo") == [
        "the declared column 'path' is missing; the frame has 'id', 'paths'. Did you mean 'paths'?"
    ]
    assert reasons(store, photos.with_columns(path=pl.lit(None, pl.String)), "photo") == [
        "the declared column 'path' is null in 1 row"
    ]


def test_a_type_is_told_once(tmp_path: Path) -> None:
    """A column that disagrees with both the class and the table is one fault."""
    graph = graph_of(feature("photo", columns=("path",), fields=["default"]))
    photos = pl.DataFrame({"id": ["a"], "path": ["x"], BY_FIELD: [{"default": "1"}]})
    with DeltaMetadataStore(tmp_path / "other", graph=graph).open("write") as store:
        store.write_metadata("photo", photos)

        assert reasons(store, photos.with_columns(path=1.5), "photo") == [
            "'path' is Float64, and the class declares String, as the table has it: cast it"
        ]


def test_all_faults_come_at_once(store: DeltaMetadataStore) -> None:
    """Of the schema and of the values, sorted."""
    frame = pl.DataFrame({"id": ["a", "a", None], "path": [1.5] * 3, "metaxy_x": [1] * 3})

    assert reasons(store, frame) == [
        "'metaxy_provenance_by_field' is missing: a struct of texts with the fields 'audio', "
        "'frames': of a root the versions that you choose, else as resolve_update gives it",
        "'metaxy_x' begins with 'metaxy_', which is reserved for metaxy's own columns: rename it",
        "'path' is Float64, and the table has String: cast it, or write it under another name, or "
        "drop the feature's metadata to begin anew",
        "1 id more than once: id='a' (2 rows); write one row a record",
        "the id column 'id' is null in 1 row",
    ]


@pytest.mark.parametrize("given", [[{"id": "a"}], {"id": ["a"]}, "a", None, 1, GOOD["id"]])
def test_what_is_no_frame_is_refused(store: DeltaMetadataStore, given: Any) -> None:
    """As records and as samples, with what to give."""
    for use in (store.write_metadata, _resolve(store)):
        if given is None and use != store.write_metadata:
            continue
        with pytest.raises(
            MetadataSchemaError, match=r"is a .*, which is no data frame that Narwha"
        ):
            use("video", given)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_whole_increment_is_no_frame(store: DeltaMetadataStore, *, lazy: bool) -> None:
    """Its parts are."""
    increment: Any = store.resolve_update("transcript", lazy=lazy)

    with pytest.raises(MetadataSchemaError, match=r"a whole increment\. .* increment\.added, then"):
        store.write_metadata("transcript", increment)


def _resolve(store: DeltaMetadataStore) -> Callable[[str, Any], object]:
    return lambda key, samples: store.resolve_update(key, samples=samples)


def test_what_is_no_feature_is_refused(store: DeltaMetadataStore) -> None:
    """A key that is none, one of no feature, and a class without a spec."""
    with pytest.raises(InvalidKeyError, match=r"Plain is not a feature key: it is no feature with"):
        store.write_metadata(Plain, GOOD)
    with pytest.raises(InvalidKeyError, match=r"'vi deo'"):
        store.read_metadata("vi deo")
    for use in (store.read_metadata, store.drop_feature_metadata, store.resolve_update):
        with pytest.raises(FeatureNotFoundError, match=r"Did you mean 'video'"):
            use("vidoe")


def test_a_feature_without_records_is_not_found(store: DeltaMetadataStore) -> None:
    """The stores that were asked are named."""
    with pytest.raises(
        FeatureNotFoundError, match=r"No records of 'day' were ever written to Delta"
    ):
        store.read_metadata("day")
    with pytest.raises(
        SystemDataNotFoundError, match=r"has no system table 'metaxy-system/events'"
    ):
        store.read_metadata(["metaxy-system", "events"])


def test_samples_are_checked_like_records(store: DeltaMetadataStore) -> None:
    """A root feature needs them; they need ids and provenance."""
    with pytest.raises(MissingSamplesError, match=r"'video' has no upstreams.*'id'"):
        store.resolve_update("video")
    with pytest.raises(MetadataSchemaError) as raised:
        store.resolve_update("video", samples=GOOD.drop("id").with_columns(metaxy_y=1))
    assert raised.value.reasons == (
        "'metaxy_y' begins with 'metaxy_', which is reserved for metaxy's own columns: rename it",
        "the id column 'id' is missing; the frame has nothing.",
    )


def test_filters_must_be_filters_on_something(store: DeltaMetadataStore) -> None:
    """Of a known feature, on known columns, in SQL or as an expression, by feature or not."""
    with pytest.raises(FilterError, match=r"uses a column that the records do not have.*'path'"):
        store.read_metadata("video", filters=[nw.col("size") > 1])
    with pytest.raises(FilterError) as misspelt:
        store.read_metadata("video", filters=["pth = 'p'"])
    assert str(misspelt.value) == (
        "A filter uses a column that the records do not have: 'pth' in \"pth = 'p'\". "
        "They have: 'id', 'path'. Did you mean 'path'?"
    )
    with pytest.raises(FilterError, match=r"They have: 'id', 'path'\. A text is .*: 'holiday'\.$"):
        store.read_metadata("video", filters=["id = holiday"])
    with pytest.raises(
        FilterError, match=r"'video' uses a column .* have: 'siz' in 'siz > 1'\. It"
    ):
        store.resolve_update("transcript", filters={"video": ["path = 'p'", "siz > 1"]})
    with pytest.raises(FilterError):
        store.read_metadata("video", filters=["size >"])
    with pytest.raises(FilterError, match=r"True is a bool, which is no filter"):
        store.read_metadata("video", filters=[True])  # pyright: ignore[reportArgumentType]
    with pytest.raises(FilterError, match=r"conditions on one feature are wanted"):
        store.read_metadata("video", filters={"video": ["id = 'a'"]})  # pyright: ignore[reportArgumentType]
    wrong = r"for 'vidio', which is neither 'transcript' .* upstreams: 'video'\. Did .*mean 'video'"
    with pytest.raises(FilterError, match=wrong):
        store.resolve_update("transcript", filters={"vidio": ["id = 'a'"]})
    with pytest.raises(FilterError, match=r"give a mapping from features to filters"):
        store.resolve_update("transcript", filters=["id = 'a'"])  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_reading_options_must_make_sense(store: DeltaMetadataStore) -> None:
    """Unknown columns, and two answers to which version, are refused."""
    with pytest.raises(MissingColumnsError, match=r"'pth'.*\n.*Did you mean 'path'"):
        store.read_metadata("video", columns=["pth"])
    with pytest.raises(ValueError, match=r"feature_version='x' asks for one version of 'video'"):
        store.read_metadata("video", feature_version="x")


def test_a_copy_needs_a_store_to_copy_from(store: DeltaMetadataStore) -> None:
    """The place of one isn't."""
    place: Any = "s3://me:hunter2@bucket/lake"
    with pytest.raises(
        ValueError, match=r"from_store is 's3://\*\*\*@bucket/lake', which is no store"
    ):
        store.copy_metadata(place)


def test_deletions_must_say_what(store: DeltaMetadataStore) -> None:
    """No filter is not everything; a frame needs the ids, of their type."""
    nothing: list[str] = []
    for filters in (None, nothing):
        with pytest.raises(ValueError, match=r"Say which records of 'video' to delete"):
            store.delete_metadata("video", filters)
    lacking = r"lack the id columns 'id'; what was given has 'x'"
    with pytest.raises(MetadataSchemaError, match=lacking):
        store.delete_metadata("video", records=pl.DataFrame({"x": ["z"]}))
    with pytest.raises(
        MetadataSchemaError, match=r"'id' is Int64, and the stored records have Str"
    ):
        store.delete_metadata("video", records=pl.DataFrame({"id": [1]}))
    with pytest.raises(FilterError):
        store.delete_metadata("video", ["size > 1"])


def test_parents_are_checked_like_records(store: DeltaMetadataStore) -> None:
    """They belong to expansions only, and need names and provenance."""
    with pytest.raises(MetadataSchemaError, match=r"'video' has no expansion among its depend"):
        store.write_metadata("video", GOOD, expanded_parents=GOOD)
    with pytest.raises(MetadataSchemaError) as raised:
        store.write_metadata("chunk", None, expanded_parents=pl.DataFrame({"id": ["z", "z"]}))
    assert "expanded_parents of 'chunk' can't be recorded" in str(raised.value)
    assert raised.value.reasons == (
        "'metaxy_provenance_by_field' is missing: a struct of texts with the fields 'default': of "
        "a root the versions that you choose, else as resolve_update gives it",
        "1 id more than once: id='z' (2 rows); write one row a record",
    )


def test_parents_have_the_types_of_their_children(store: DeltaMetadataStore) -> None:
    """The types of both are told: a marker couldn't stand beside the children otherwise."""
    parents = pl.DataFrame({"id": [1], BY_FIELD: [{"default": "1"}]})
    children = parents.select(pl.lit("1").alias("id"), pl.lit(0).alias("chunk"), BY_FIELD)

    with pytest.raises(MetadataSchemaError) as raised:
        store.write_metadata("chunk", children, expanded_parents=parents)

    assert str(raised.value) == (
        "expanded_parents of 'chunk' can't be recorded: 'id' is Int64, and String in the records: "
        "cast it in one of them"
    )


def test_children_of_a_parent_agree_on_it(store: DeltaMetadataStore) -> None:
    """Children that say different things of where they come from are torn."""
    versions = [{"default": "1"}, {"default": "2"}]
    children = pl.DataFrame({"id": ["z", "z"], "chunk": [1, 2], BY_FIELD: versions})

    assert reasons(store, children, "chunk") == [
        "1 parent with children of several provenances: id='z' (2 provenances); "
        "all children of a parent carry the parent's"
    ]


def test_a_closed_store_does_nothing(tmp_path: Path) -> None:
    """What it says tells how to open it, for reading or for writing."""
    store = DeltaMetadataStore(tmp_path / "other", graph=films())
    uses: list[Callable[[], object]] = [
        lambda: store.read_metadata("video"),
        lambda: store.resolve_update("video", samples=GOOD),
        lambda: store.write_metadata("video", GOOD),
        lambda: store.write_metadata_multi({"video": GOOD}),
        lambda: store.delete_metadata("video", ["id = 'a'"]),
        lambda: store.drop_feature_metadata("video"),
        lambda: store.has_feature("video"),
        store.record_feature_graph_snapshot,
        store.list_features,
        store.read_events,
        store.read_pushes,
    ]
    for use in uses:
        with pytest.raises(StoreNotOpenError, match=r"is not open. Use it inside `with store:`"):
            use()
    with store:
        for use in uses[2:6]:
            with pytest.raises(StoreReadOnlyError, match=r"is open for reading.*open\(\"write\"\)"):
                use()
    with pytest.raises(ValueError, match=r"The mode is 'w'"), store.open("w"):  # pyright: ignore[reportArgumentType]
        pass
    assert not (tmp_path / "other").exists()


def test_a_store_needs_options_that_there_are(tmp_path: Path) -> None:
    """Each wrong one is named, with what it may be."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"layout": "flatt"}, "layout is 'flatt'; a lake is 'nested' or 'flat'"),
        ({"hash_algorithm": "sha1"}, "hash_algorithm is 'sha1'; known are"),
        ({"hash_truncation_length": 7}, "hash_truncation_length is 7; it is a number of char"),
        ({"versioning_engine": "nativ"}, "versioning_engine is 'nativ'.*Did you mean 'native'"),
        ({"delta_write_options": {"mode": "x"}}, "delta_write_options has 'mode', which"),
        ({"delta_write_options": {"target_size": 1}}, "Did you mean 'target_file_size'"),
    ]
    for options, message in wrong:
        with pytest.raises(ConfigError, match=message):
            DeltaMetadataStore(tmp_path, **options)
    with pytest.raises(TypeError, match=r"colour"):
        DeltaMetadataStore(tmp_path, colour="red")


def test_a_native_engine_takes_polars_frames_only(tmp_path: Path) -> None:
    """Records and samples of other libraries are refused, with the way out."""
    arrow: Any = cast("Any", GOOD).to_arrow()
    store = DeltaMetadataStore(tmp_path / "other", graph=films(), versioning_engine="native")
    with store.open("write"):
        for use in (store.write_metadata, _resolve(store)):
            with pytest.raises(VersioningEngineMismatchError, match=r"is a pyarrow frame"):
                use("video", arrow)
        assert (
            len(store.resolve_update("video", samples=arrow, versioning_engine="auto").added) == 2
        )


def test_a_failing_disk_is_a_store_error(store: DeltaMetadataStore) -> None:
    """A file where the table's folder should be: the message says that nothing was written."""
    path = Path(store.table_path("transcript"))
    path.write_text("in the way")
    try:
        with pytest.raises(StoreError, match=r"'transcript' can't be created|can't be opened"):
            store.write_metadata("transcript", store.resolve_update("transcript").added)
    finally:
        path.unlink()
