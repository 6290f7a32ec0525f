"""The versions of definitions: what is hashed, checked against a second writing of the format."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pytest

from definitions import feature, graph_of
from metaxy.graph.graph import FeatureGraph
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.fields_mapping import FieldsMapping
from metaxy.models.lineage import Lineage

Value: TypeAlias = "bool | int | str | Sequence[Value] | Mapping[str, Value] | None"


def _encoded(value: Value) -> bytes:
    """The documented encoding, written a second time: tag, length in 8 bytes, content."""
    if value is None:
        tag, content = b"N", b""
    elif isinstance(value, bool):
        tag, content = b"B", bytes([value])
    elif isinstance(value, int):
        tag, content = b"I", b"%d" % value
    elif isinstance(value, str):
        tag, content = b"S", value.encode()
    elif isinstance(value, Mapping):
        entries = sorted(_encoded(name) + _encoded(each) for name, each in value.items())
        tag, content = b"M", b"".join(entries)
    else:
        tag, content = b"L", b"".join(map(_encoded, value))
    return tag + len(content).to_bytes(8, "big") + content


def _sha256(domain: str, value: Value) -> str:
    return hashlib.sha256(_encoded([domain, value])).hexdigest()


@pytest.fixture(name="films")
def _films() -> FeatureGraph:
    return graph_of(
        feature(
            "video/file",
            ids=("video_id", "shop"),
            columns=("path",),
            fields=(FieldSpec("audio", "1"), FieldSpec("frames", "2")),
        ),
        feature(
            "video/faces",
            ids=("video", "face"),
            deps=(
                FeatureDep(
                    "video/file",
                    rename={"video_id": "video", "shop": "shop"},
                    filters=["shop = 'x' AND path IS NOT NULL"],
                    lineage=Lineage.aggregation("video"),
                    optional=False,
                ),
                FeatureDep(
                    "model",
                    lineage=Lineage.expansion("video"),
                    fields_mapping=FieldsMapping.all(),
                ),
            ),
            fields=(FieldSpec("frames", 7),),
        ),
        feature("model", ids=("video",)),
    )


def _field(feature: str, field: str, code: str, *parents: Value) -> str:
    return _sha256("metaxy/field-version/1", [[feature, field], code, list(parents)])


AUDIO = _field("video/file", "audio", "1")
FRAMES = _field("video/file", "frames", "2")
MODEL = _field("model", "default", "1")
FACES = _field(
    "video/faces",
    "frames",
    "7",
    [["model", "default"], MODEL],
    [["video/file", "frames"], FRAMES],
)
FILE_VERSION = _sha256(
    "metaxy/feature-version/1",
    ["video/file", ["shop", "video_id"], [], [["audio", AUDIO], ["frames", FRAMES]]],
)
FACES_VERSION = _sha256(
    "metaxy/feature-version/1",
    [
        "video/faces",
        ["face", "video"],
        [
            ["model", ["expansion", ["video"]], [], [], False],
            [
                "video/file",
                ["aggregation", ["video"]],
                [["video_id", "video"]],
                ["path IS NOT NULL", "shop = 'x'"],
                False,
            ],
        ],
        [["frames", FACES]],
    ],
)
MODEL_VERSION = _sha256("metaxy/feature-version/1", ["model", ["video"], [], [["default", MODEL]]])


def test_a_field_version_is_of_name_code_and_parent_versions(films: FeatureGraph) -> None:
    """Parents are sorted by their full names and counted in by their own versions."""
    assert films.field_version("video/file", "audio") == AUDIO
    assert films.field_version("video/file", "frames") == FRAMES
    assert films.field_version("video/faces", "frames") == FACES


def test_a_feature_version_is_of_ids_row_semantics_and_fields(films: FeatureGraph) -> None:
    """Renames that change nothing are left out; conditions joined by AND count one by one."""
    assert films.feature_version("video/file") == FILE_VERSION
    assert films.feature_version("video/faces") == FACES_VERSION


def test_a_code_version_is_of_the_fields_alone(films: FeatureGraph) -> None:
    """Neither the feature's name nor what it depends on is in it."""
    wanted = _sha256("metaxy/code-version/1", [["audio", "1"], ["frames", "2"]])

    assert films.code_version("video/file") == wanted
    assert (
        graph_of(
            feature("other", fields=(FieldSpec("frames", "2"), FieldSpec("audio", "1")))
        ).code_version("other")
        == wanted
    )


def test_a_spec_version_is_of_the_whole_canonical_spec(films: FeatureGraph) -> None:
    """Everything that a spec says is in it, defaults included."""
    assert films.feature_spec_version("model") == _sha256(
        "metaxy/feature-spec-version/1", MODEL_SPEC
    )


MODEL_SPEC: Value = {
    "key": ["model"],
    "id_columns": ["video"],
    "deps": [],
    "fields": [{"key": ["default"], "code_version": "1", "deps": None, "description": None}],
    "lineage": None,
    "metadata": {},
    "description": None,
    "tags": [],
}


def test_a_full_definition_version_is_of_columns_spec_and_project(films: FeatureGraph) -> None:
    """Columns come with type, nullability and description, sorted by name."""
    wanted = [[["path", "string", False, None]], films.feature_spec_version("video/file"), "films"]

    assert films.full_definition_version("video/file") == _sha256(
        "metaxy/full-definition-version/1", wanted
    )


def test_a_snapshot_version_is_of_all_feature_versions(films: FeatureGraph) -> None:
    """Features are sorted by key."""
    assert films.snapshot_version == _sha256(
        "metaxy/snapshot-version/1",
        [
            ["model", MODEL_VERSION],
            ["video/faces", FACES_VERSION],
            ["video/file", FILE_VERSION],
        ],
    )


def test_versions_are_pinned(films: FeatureGraph) -> None:
    """These digests are in lakes: whoever changes them makes every record of every user stale."""
    assert (
        films.field_version("video/faces", "frames")
        == "1fa50fa602828ef9b9c7c9888b1b22d0f65ff7872ea34affccc2d343c030f6e6"
    )
    assert (
        films.feature_version("video/faces")
        == "f5af7915ce5f4abe0770d91336c9f1a85fd6354a0e2a7d4d2f83ec60902af748"
    )
    assert (
        films.code_version("video/faces")
        == "74cbb4f171b982689bec384ef2948f83fc9841728c83a589d72cd87566f91c43"
    )
    assert (
        films.feature_spec_version("video/faces")
        == "66253d0e4eb3a6e085d5e06563448d19af5f504ce3b1e9b808642fa3ee2f19ed"
    )
    assert (
        films.full_definition_version("video/faces")
        == "4fe94f2d5d0506d09a9d6122e29d21acd8ce9085cc45072ee689eadb92818392"
    )
    assert (
        films.snapshot_version == "69cdab5d46f62e076b628612caa4ab9aa7a49860c1d6541d5ee6387619e93b2b"
    )


def _file(
    *, ids: tuple[str, ...] = ("a", "b"), fields: tuple[FieldSpec, ...] = (FieldSpec(),)
) -> FeatureDefinition:
    return feature("file", ids=ids, fields=fields)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_file(), feature("file2", ids=("a", "b"))),
        (_file(), _file(ids=("a",))),
        (_file(), _file(fields=(FieldSpec("default", "2"),))),
        (_file(), _file(fields=(FieldSpec("a/b"),))),
        (_file(fields=(FieldSpec("a/b"),)), _file(fields=(FieldSpec("a"), FieldSpec("b")))),
    ],
)
def test_each_part_of_a_root_feature_counts(
    one: FeatureDefinition, other: FeatureDefinition
) -> None:
    """Key, id columns, code versions, and which fields there are."""
    versions = {graph_of(each).feature_version(each.key) for each in (one, other)}

    assert len(versions) == 2


DEPENDENCIES = [
    FeatureDep("file"),
    FeatureDep("file", rename={"x": "y"}),
    FeatureDep("file", rename={"x": "z"}),
    FeatureDep("file", filters="x > 1"),
    FeatureDep("file", filters="x > 1 OR y > 1"),
    FeatureDep("file", filters="x > 1 AND y > 1"),
    FeatureDep("file", optional=True),
    FeatureDep("file", lineage=Lineage.aggregation(["a", "b"])),
    FeatureDep("file", lineage=Lineage.expansion(["a", "b"])),
    FeatureDep("file", fields_mapping=FieldsMapping.none()),
]


def test_each_part_of_a_dependency_counts() -> None:
    """Renames, filters, optional, lineage and the fields that are depended on."""
    versions = {
        graph_of(_file(), feature("next", ids=("a", "b"), deps=(dep,))).feature_version("next")
        for dep in DEPENDENCIES
    }

    assert len(versions) == len(DEPENDENCIES)


def test_the_same_said_in_another_way_is_the_same_version() -> None:
    """Formatting of filters, a lineage for all dependencies, column selection, mappings' forms."""
    plain = FeatureDep("file", filters="x > 1 AND y = 'v'", lineage=Lineage.aggregation("a"))
    same = [
        FeatureDep("file", filters=("y='v'", "( x>1 )"), lineage=Lineage.aggregation("a")),
        FeatureDep("file", filters=("y='v'", "x>1", "x > 1")),
        FeatureDep("file", filters="x > 1 and y = 'v'", columns=()),
        FeatureDep("file", filters="x > 1 and y = 'v'", fields_mapping=FieldsMapping.all()),
        FeatureDep("file", filters="x > 1 and y = 'v'", rename={"a": "a"}),
    ]
    versions = {
        graph_of(
            _file(), feature("next", ids=("a",), deps=(dep,), lineage=Lineage.aggregation("a"))
        ).feature_version("next")
        for dep in [plain, *same]
    }

    assert len(versions) == 1


def test_a_spec_version_does_not_depend_on_the_order_of_names() -> None:
    """Of selected and excluded columns and fields, of mapped fields, of the fields depended on."""
    orders = (["p", "q"], ["q", "p"])
    upstream = feature("file", fields=("p", "q", "r"))
    versions = {
        graph_of(
            upstream,
            feature("other", fields=("p", "q")),
            feature(
                "next",
                deps=(
                    FeatureDep(
                        "file",
                        columns=names,
                        fields_mapping=FieldsMapping.default(exclude_fields=names),
                    ),
                    FeatureDep("other", fields_mapping=FieldsMapping.specific({"default": names})),
                ),
                fields=(FieldSpec(), FieldSpec("x", deps=[FieldDep("file", names)])),
            ),
        ).feature_spec_version("next")
        for names in orders
    }

    assert len(versions) == 1
