"""Whether inputs give one row a record: lineages, id columns, joins, optional inputs."""

import pytest

from definitions import faults_of, feature
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.lineage import Lineage

FRAMES = feature("frames", ids=("id", "frame"), columns=("speaker",))


def test_an_expansion_is_on_the_upstreams_ids_as_renamed() -> None:
    """Its `on` names one parent."""
    short = FeatureDep("frames", lineage=Lineage.expansion("id"))
    renamed = FeatureDep(
        "frames", rename={"id": "film"}, lineage=Lineage.expansion(["frame", "film"])
    )

    assert faults_of(FRAMES, feature("b", ids=("face",), deps=(renamed,))) == []
    assert faults_of(FRAMES, feature("b", ids=("face",), deps=(short,))) == [
        "'b', dependency on 'frames': expands on 'id', but one record of 'frames' is named by "
        "'frame', 'id' (after renames). Write Lineage.expansion(on=['frame', 'id'])."
    ]


def test_an_aggregation_is_on_columns_that_the_upstream_has_after_its_renames() -> None:
    """Ids or others."""
    slip = FeatureDep("frames", lineage=Lineage.aggregation("speeker"))
    old = FeatureDep("frames", rename={"speaker": "who"}, lineage=Lineage.aggregation("speaker"))

    assert faults_of(
        FRAMES,
        feature("b", ids=("speeker",), deps=(slip,)),
        feature("c", ids=("speaker",), deps=(old,)),
    ) == [
        "'b', dependency on 'frames': aggregates on 'speeker', which 'frames' does not declare; "
        "after renames it has 'frame', 'id', 'speaker'. Did you mean 'speaker'?",
        "'c', dependency on 'frames': aggregates on 'speaker', which is renamed to 'who'. Renames "
        "come first: aggregate on the new name.",
    ]


def test_an_id_column_that_no_upstream_gives_wants_an_expansion() -> None:
    """Or a rename; both ways out are told, as is what there is."""
    assert faults_of(feature("a", ids=("video",)), feature("b", ids=("chunk",), deps=("a",))) == [
        "'b': no dependency gives its id column 'chunk'; they give 'video'. Rename an upstream's "
        "id column to it or, when one upstream record makes several of this feature's, declare "
        "lineage=Lineage.expansion(on=['video']) on the dependency."
    ]


def test_an_id_column_that_is_an_ordinary_one_upstream_wants_an_aggregation() -> None:
    """Records by speaker, of frames that have a speaker: the lineage was forgotten."""
    assert faults_of(FRAMES, feature("b", ids=("speaker",), deps=("frames",))) == [
        "'b': no dependency gives its id column 'speaker' as an id, but 'frames' has it as an "
        "ordinary column. To put the records of 'frames' together by it, declare "
        "lineage=Lineage.aggregation(on=['speaker']) on the dependency."
    ]


def test_an_id_column_too_many_wants_an_aggregation() -> None:
    """Else several rows would stand for one record."""
    assert faults_of(FRAMES, feature("b", deps=("frames",))) == [
        "'b', dependency on 'frames': the upstream's id column 'frame' would give several rows for "
        "one record, which is named by 'id'. Declare lineage=Lineage.aggregation(on=['id']) to put "
        "them together, rename the column, or add it to id_columns."
    ]


def test_an_aggregation_is_on_id_columns_of_the_feature() -> None:
    """A group is a record."""
    dep = FeatureDep("frames", lineage=Lineage.aggregation(["id", "speaker"]))

    assert faults_of(FRAMES, feature("b", deps=(dep,))) == [
        "'b', dependency on 'frames': aggregates on 'speaker', not among the feature's id columns "
        "'id'. Aggregate on those alone, or add it to id_columns."
    ]


def test_an_id_column_missing_from_an_aggregation_is_told() -> None:
    """An expansion would be no way out."""
    dep = FeatureDep("frames", lineage=Lineage.aggregation("id"))

    assert faults_of(FRAMES, feature("b", ids=("id", "frame"), deps=(dep,))) == [
        "'b': no dependency gives its id column 'frame'; they give 'id'. Aggregate on it, or take "
        "it out of id_columns."
    ]


def test_upstreams_that_share_no_id_column_are_refused() -> None:
    """Directly or through another one, they must."""
    a, b = feature("a", ids=("x",)), feature("b", ids=("y",))
    both = feature("both", ids=("x", "y"))

    assert faults_of(a, b, both, feature("c", ids=("x", "y"), deps=("a", "b", "both"))) == []
    assert faults_of(a, b, feature("c", ids=("x", "y"), deps=("a", "b"))) == [
        "'c', dependency on 'b': joins on 'y', but those before it on 'x'. Every pair of rows "
        "would match: rename an id column so that they share one."
    ]


def test_an_optional_upstream_is_not_the_only_one_to_give_an_id() -> None:
    """Where it lacks a record the id would be null."""
    deps = (FeatureDep("frames", optional=True), "files")

    assert faults_of(FRAMES, feature("files"), feature("b", ids=("id", "frame"), deps=deps)) == [
        "'b', dependency on 'frames': is optional, but no required one gives the id column "
        "'frame', which would be null where it lacks a record. Make it required."
    ]


def test_upstreams_that_are_all_optional_name_records_alike() -> None:
    """Any of them may be the only one that has the record."""
    frames, files = FeatureDep("frames", optional=True), FeatureDep("files", optional=True)
    other = FeatureDep("other", optional=True)
    ids = ("id", "frame")

    assert (
        faults_of(FRAMES, feature("other", ids=ids), feature("b", ids=ids, deps=(frames, other)))
        == []
    )
    assert faults_of(FRAMES, feature("files"), feature("b", ids=ids, deps=(frames, files))) == [
        "'b': all its dependencies are optional, so any of them may be the only one to name a "
        "record, but they name it differently: 'files' by 'id'; 'frames' by 'frame', 'id'. Make "
        "one required, or let all have the same id columns."
    ]


@pytest.mark.parametrize("ids", [("id", "chunk"), ("chunk",)])
def test_children_of_an_expansion_may_leave_the_parents_ids_out(ids: tuple[str, ...]) -> None:
    """Their table has the columns all the same."""
    dep = FeatureDep("files", lineage=Lineage.expansion("id"))

    assert faults_of(feature("files"), feature("chunks", ids=ids, deps=(dep,))) == []


def test_children_of_an_expansion_have_no_other_id_too_many() -> None:
    """Another upstream's id column that is neither theirs nor the parent's is refused."""
    deps = (FeatureDep("files", lineage=Lineage.expansion("id")), "frames")

    assert faults_of(feature("files"), FRAMES, feature("chunks", ids=("chunk",), deps=deps)) == [
        "'chunks', dependency on 'frames': the upstream's id column 'frame' would give several "
        "rows for one record, which is named by 'chunk'. Declare "
        "lineage=Lineage.aggregation(on=['id']) to put them together, rename the column, or add it "
        "to id_columns."
    ]
