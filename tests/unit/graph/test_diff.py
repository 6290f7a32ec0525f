"""What differs between two graphs."""

from typing import Any

from definitions import feature, graph_of
from metaxy.graph.changes import AffectedFeature, AffectedField, Change
from metaxy.graph.diff import diff_graphs
from metaxy.graph.graph import FeatureGraph
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.models.lineage import Lineage


def _changes(old: FeatureGraph, new: FeatureGraph) -> dict[str, tuple[Change, ...]]:
    return {str(each.key): each.changes for each in diff_graphs(old, new).changed}


def _films(file_code: str = "1", **faces: Any) -> FeatureGraph:
    """Two fields, a feature of both, one of the audio alone, and one after that."""
    audio = FieldSpec("text", deps=[FieldDep("file", "audio")])
    spec: dict[str, Any] = {"deps": ("file",), "fields": ("faces",)}
    return graph_of(
        feature("file", fields=(FieldSpec("audio", file_code), FieldSpec("frames"))),
        feature("faces", **(spec | faces)),
        feature("text", deps=("file",), fields=(audio,)),
        feature("words", deps=("text",)),
    )


def test_equal_graphs_do_not_differ() -> None:
    """And say so."""
    diff = diff_graphs(_films(), _films())

    assert diff.is_empty
    assert str(diff) == f"No difference: both graphs are {_films().snapshot_version[:12]}."


def test_added_and_removed_features_are_told() -> None:
    """Sorted by key."""
    diff = diff_graphs(
        graph_of(feature("a"), feature("b")),
        graph_of(feature("c"), feature("b"), feature("A0")),
    )

    assert diff.added == (FeatureKey("A0"), FeatureKey("c"))
    assert diff.removed == (FeatureKey("a"),)
    assert diff.changed == ()


def test_affected_features_are_told_with_the_fields_through_which() -> None:
    """Upstream first; fields whose parents are the same are not among them."""
    diff = diff_graphs(_films(), _films("2"))
    audio = (FeatureKey("file"), FieldKey("audio"))
    text = (FeatureKey("text"), FieldKey("text"))

    assert [each.changes for each in diff.changed] == [
        (Change("code_version", "field 'audio'", "'1'", "'2'"),)
    ]
    assert diff.affected == (
        AffectedFeature(FeatureKey("faces"), (AffectedField(FieldKey("faces"), (audio,)),)),
        AffectedFeature(FeatureKey("text"), (AffectedField(FieldKey("text"), (audio,)),)),
        AffectedFeature(FeatureKey("words"), (AffectedField(FieldKey("default"), (text,)),)),
    )


def test_changes_of_a_dependency_are_told_one_by_one() -> None:
    """As texts, before and after."""
    old, new = (
        graph_of(
            feature("file", ids=("id", "shop")),
            feature("name", ids=ids),
            feature("faces", ids=ids, deps=(dep, FeatureDep("name"))),
        )
        for ids, dep in [
            (("id", "shop"), FeatureDep("file", filters="x > 1")),
            (
                ("id",),
                FeatureDep(
                    "file",
                    rename={"shop": "store"},
                    filters=("y = 2 OR x = 1", "x > 1"),
                    optional=True,
                    lineage=Lineage.aggregation("id"),
                ),
            ),
        ]
    )
    file = "dependency on 'file'"

    assert _changes(old, new) == {
        "faces": (
            Change("id_columns", "", "id, shop", "id"),
            Change("lineage", file, "identity()", "aggregation(id)"),
            Change("rename", file, "none", "shop as store"),
            Change("filters", file, "x > 1", "x > 1 AND (y = 2 OR x = 1)"),
            Change("optional", file, "no", "yes"),
        ),
        "name": (Change("id_columns", "", "id, shop", "id"),),
    }


def test_changes_of_dependencies_and_fields_are_told() -> None:
    """What a field is made of may change with what the feature depends on."""
    new = _films(deps=("file", "text"), fields=("faces", "eyes"))

    assert _changes(_films(), new) == {
        "faces": (
            Change("dependency", "", None, "'text'"),
            Change("field", "", None, "'eyes'"),
            Change(
                "field_parents",
                "field 'faces'",
                "file.audio, file.frames",
                "file.audio, file.frames, text.text",
            ),
        )
    }
    assert [str(change) for change in _changes(new, _films())["faces"]] == [
        "dependency removed: 'text'",
        "field removed: 'eyes'",
        "field 'faces': field parents: file.audio, file.frames, text.text -> "
        "file.audio, file.frames",
    ]


def test_words_and_columns_change_no_version() -> None:
    """They are told all the same, and the change says that the version is kept."""
    new = _films(
        description="All faces",
        tags=("b", "a"),
        metadata={"owner": "us"},
        columns=("count",),
        project="people",
        deps=(FeatureDep("file", columns=()),),
    )

    (change,) = diff_graphs(_films(), new).changed

    assert not change.changes_version
    assert not any(each.changes_version for each in change.changes)
    assert str(change) == (
        "~ faces (same feature version)\n"
        "    dependency on 'file': selection: all columns -> none\n"
        "    'count': column added: string\n"
        "    project: films -> people\n"
        "    description added: All faces\n"
        "    tags: none -> a, b\n"
        '    metadata: {} -> {"owner": "us"}'
    )


def test_another_way_to_say_the_same_is_told_as_such() -> None:
    """The spec has another version, the feature hasn't."""
    same = FieldSpec("faces", deps=[FieldDep("file", ["frames", "audio"])])

    assert _changes(_films(), _films(fields=(same,))) == {
        "faces": (Change("notation", "", "one way", "another, with the same result"),)
    }


def test_a_diff_reads_as_text() -> None:
    """A line a fact."""
    old = _films()
    new = graph_of(
        *(
            definition
            for key, definition in _films("2").definitions.items()
            if key.parts not in {("faces",), ("words",)}
        ),
        feature("eyes"),
    )

    assert str(diff_graphs(old, new)) == (
        f"{old.snapshot_version[:12]} -> {new.snapshot_version[:12]}: "
        "1 feature added, 2 removed, 1 changed, 1 affected by upstream\n"
        "+ eyes\n"
        "- faces\n"
        "- words\n"
        "~ file\n"
        "    field 'audio': code version: '1' -> '2'\n"
        "> text\n"
        "    field 'text' through file.audio"
    )
