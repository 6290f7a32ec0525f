"""Columns that dependencies name, and names that meet after the renames."""

from definitions import faults_of, feature
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.lineage import Lineage

REMEDY = "Rename it in one dependency, or leave it out with `columns`."
A = feature("a", columns=("codec", "fps"))


def test_a_name_that_looks_a_slip_is_told() -> None:
    """In selections, renames and filters; the class need not declare every column it has."""
    has = "which 'a' does not declare; it has 'codec', 'fps', 'id'."

    assert faults_of(
        A,
        feature("b", deps=(FeatureDep("a", columns=("codek", "unheard")),)),
        feature("c", deps=(FeatureDep("a", rename={"fsp": "speed", "unheard": "x"}),)),
        feature("d", deps=(FeatureDep("a", filters="coddec = 'x' OR unheard > 1"),)),
    ) == [
        f"'b', dependency on 'a': `columns` names the column 'codek', {has} Did you mean 'codec'?",
        f"'c', dependency on 'a': `rename` names the column 'fsp', {has} Did you mean 'fps'?",
        f"'d', dependency on 'a': a filter names the column 'coddec', {has} Did you mean 'codec'?",
    ]


def test_nothing_is_said_of_columns_of_a_class_that_declares_none() -> None:
    """Its table may have any."""
    dep = FeatureDep("bare", columns=("codek",), rename={"codek": "x"}, filters="idd = 1")

    assert faults_of(feature("bare"), feature("b", deps=(dep,))) == []


def test_renames_have_a_target_each_and_stay_off_system_columns() -> None:
    """Also where the columns are not declared."""
    dep = FeatureDep("bare", rename={"p": "x", "q": "x", "r": "metaxy_r", "Metaxy_s": "s"})
    system = "but columns that start with 'metaxy_' are the system's. Use other names."

    assert faults_of(feature("bare"), feature("b", deps=(dep,))) == [
        f"'b', dependency on 'bare': 'Metaxy_s' is renamed to 's', {system}",
        "'b', dependency on 'bare': 'p', 'q' are all renamed to 'x'. Give each its own name.",
        f"'b', dependency on 'bare': 'r' is renamed to 'metaxy_r', {system}",
    ]


def test_a_rename_onto_an_id_column_is_refused() -> None:
    """Of the feature, whether an upstream gives it or an expansion makes it."""
    child = FeatureDep("a", rename={"fps": "chunk"}, lineage=Lineage.expansion("id"))

    assert faults_of(
        A,
        feature("b", deps=(FeatureDep("a", rename={"codec": "id"}),)),
        feature("c", ids=("id", "chunk"), deps=(child,)),
    ) == [
        "'b': column 'id' of 'a' (renamed from 'codec') would collide with the id column 'id'. "
        + REMEDY,
        "'c': column 'chunk' of 'a' (renamed from 'fps') would collide with the id column "
        f"'chunk'. {REMEDY}",
    ]


def test_renaming_id_columns_onto_the_features_is_how_they_are_aligned() -> None:
    """For every lineage, and for an ordinary column that an aggregation groups by."""
    speakers = FeatureDep("talk", rename={"who": "speaker"}, lineage=Lineage.aggregation("speaker"))

    assert (
        faults_of(
            feature("talk", ids=("talk_id",), columns=("who",)),
            feature("b", ids=("id",), deps=(FeatureDep("talk", rename={"talk_id": "id"}),)),
            feature("c", ids=("speaker",), deps=(speakers,)),
        )
        == []
    )


def test_columns_of_two_upstreams_that_would_be_one_are_refused() -> None:
    """By their names after renames, whatever their case; a selection or rename keeps them apart."""
    other = feature("other", columns=("Codec",))
    apart = (FeatureDep("a", columns=("fps",)), "other")
    renamed = ("a", FeatureDep("other", rename={"Codec": "other_codec"}))

    assert faults_of(A, other, feature("b", deps=apart), feature("c", deps=renamed)) == []
    assert faults_of(A, other, feature("b", deps=("a", "other"))) == [
        f"'b': column 'codec' of 'a' and column 'Codec' of 'other' would be one column. {REMEDY}"
    ]


def test_a_rename_onto_another_column_of_the_upstream_is_refused() -> None:
    """Unless that is renamed as well: names may be swapped."""
    swap = FeatureDep("a", rename={"codec": "fps", "fps": "codec"})

    assert faults_of(A, feature("b", deps=(swap,))) == []
    assert faults_of(A, feature("b", deps=(FeatureDep("a", rename={"codec": "fps"}),))) == [
        "'b': column 'fps' of 'a' and column 'fps' of 'a' (renamed from 'codec') would be one "
        f"column. {REMEDY}"
    ]


def test_a_selection_has_what_is_renamed_and_no_system_columns() -> None:
    """Id columns come along in any case, so they may be renamed."""
    dep = FeatureDep("a", columns=("metaxy_created_at",), rename={"fps": "x", "id": "key"})

    assert faults_of(A, feature("b", ids=("key",), deps=(dep,))) == [
        "'b', dependency on 'a': `columns` names 'metaxy_created_at', but system columns are not "
        "carried from one feature to another. Take them out.",
        "'b', dependency on 'a': `rename` names 'fps', which `columns` leaves out. Add them to "
        "`columns`, or drop the rename.",
    ]


def test_an_aggregation_carries_nothing_but_its_on_columns() -> None:
    """So other columns can't be selected, and can't collide."""
    frames = feature("frames", ids=("id", "frame"), columns=("codec",))
    dep = FeatureDep("frames", columns=("codec", "id"), lineage=Lineage.aggregation("id"))
    plain = FeatureDep("frames", lineage=Lineage.aggregation("id"))

    assert faults_of(A, frames, feature("b", deps=("a", plain))) == []
    assert faults_of(A, frames, feature("b", deps=(dep,))) == [
        "'b', dependency on 'frames': `columns` names 'codec', but an aggregation gives one row a "
        "group with the columns of `on` only: 'id'. Take them out, and read the members where the "
        "feature is computed."
    ]
