"""Field dependencies and mappings that name what is not there."""

from definitions import faults_of, feature
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.fields_mapping import FieldsMapping


def test_a_field_depends_on_upstreams_of_its_feature_only() -> None:
    """Rows come from the feature's dependencies."""
    field = FieldSpec("x", deps=(FieldDep("video/fil"),))

    assert faults_of(
        feature("video/file"), feature("b", deps=("video/file",), fields=(field,))
    ) == [
        "'b', field 'x': depends on 'video/fil', which is no dependency of the feature; those are "
        "'video/file'. Add FeatureDep('video/fil') to the feature, or drop the field's. Did you "
        "mean 'video/file'?"
    ]


def test_a_field_of_a_root_depends_on_nothing() -> None:
    """That the feature lacks any dependency is said in words."""
    field = FieldSpec("x", deps=(FieldDep("a"),))

    assert faults_of(feature("a"), feature("b", fields=(field,))) == [
        "'b', field 'x': depends on 'a', but the feature has no dependencies. Add FeatureDep('a') "
        "to the feature, or drop the field's."
    ]


def test_a_field_depends_on_fields_that_exist() -> None:
    """The nearest right name is told."""
    field = FieldSpec("x", deps=(FieldDep("a", ["audoi", "audio"]),))

    assert faults_of(
        feature("a", fields=("audio", "frames")), feature("b", deps=("a",), fields=(field,))
    ) == [
        "'b', field 'x': depends on the field 'audoi', which 'a' does not have; it has 'audio', "
        "'frames'. Did you mean 'audio'?"
    ]


def test_a_mapping_names_fields_that_exist_on_both_sides() -> None:
    """Its keys are this feature's fields, its values and what it excludes the upstream's."""
    specific = FieldsMapping.specific({"defalt": ["audoi"]})
    excluding = FieldsMapping.default(exclude_fields=["adio"])

    assert faults_of(
        feature("a", fields=("audio",)),
        feature("b", deps=(FeatureDep("a", fields_mapping=specific),)),
        feature("c", deps=(FeatureDep("a", fields_mapping=excluding),)),
    ) == [
        "'b', dependency on 'a': the fields mapping is for the field 'defalt', which 'b' does not "
        "have; it has 'default'. Did you mean 'default'?",
        "'b', dependency on 'a': the fields mapping names the field 'audoi', which 'a' does not "
        "have; it has 'audio'. Did you mean 'audio'?",
        "'c', dependency on 'a': the fields mapping excludes the field 'adio', which 'a' does not "
        "have; it has 'audio'. Did you mean 'audio'?",
    ]
