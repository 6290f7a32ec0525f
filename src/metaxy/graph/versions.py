"""The versions of definitions, each a SHA-256 over the canonical encoding of `metaxy.hashing`.

Every kind has a domain of its own, so that equal contents of two kinds have different versions.
What has no order in meaning (dependencies, fields, id columns, renames, filters, tags) is sorted
before it is hashed. All versions are whole (64 hex digits); a store cuts them where it stamps them.

    kind                      hashed value
    field version             [feature, field], code version, [[feature, field], version] of parents
    feature version           feature, id columns, row semantics of dependencies, [field, version]
    code version              [field, code version]
    feature spec version      the canonical spec, a mapping
    full definition version   columns, spec version, project; of a storage class its contract, too
    snapshot version          [feature, feature version]

A change in here, or in how filters are written canonically, changes what is stored in lakes: it
needs a new revision in the domain.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from metaxy.graph.canonical import canonical_filters, canonical_spec
from metaxy.graph.inputs import renames_of
from metaxy.graph.parents import FieldName
from metaxy.hashing import Encodable, digest
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep, FeatureSpec
from metaxy.models.fields import FieldSpec
from metaxy.models.keys import FeatureKey, FieldKey

FIELD_DOMAIN = "metaxy/field-version/1"
FEATURE_DOMAIN = "metaxy/feature-version/1"
CODE_DOMAIN = "metaxy/code-version/1"
SPEC_DOMAIN = "metaxy/feature-spec-version/1"
DEFINITION_DOMAIN = "metaxy/full-definition-version/1"
SNAPSHOT_DOMAIN = "metaxy/snapshot-version/1"


def field_version(
    feature: FeatureKey, field: FieldSpec, parent_versions: Mapping[FieldName, str]
) -> str:
    """What a field is: its name, its code, and what its parent fields are."""
    parents = [
        [[str(owner), str(key)], version]
        for (owner, key), version in sorted(parent_versions.items())
    ]
    return digest(FIELD_DOMAIN, [[str(feature), str(field.key)], field.code_version, parents])


def feature_version(spec: FeatureSpec, field_versions: Mapping[FieldKey, str]) -> str:
    """What a feature's records are: which there are, and what their fields are."""
    deps = sorted(spec.deps, key=lambda dep: dep.feature)
    return digest(
        FEATURE_DOMAIN,
        [
            str(spec.key),
            sorted(spec.id_columns),
            [_row_semantics(spec, dep) for dep in deps],
            [[str(key), version] for key, version in sorted(field_versions.items())],
        ],
    )


def code_version(spec: FeatureSpec) -> str:
    """Which code computes the feature; tells nothing of what it depends on."""
    return digest(CODE_DOMAIN, sorted([str(each.key), each.code_version] for each in spec.fields))


def feature_spec_version(spec: FeatureSpec) -> str:
    """All that the spec says, descriptions, tags and metadata included."""
    return digest(SPEC_DOMAIN, canonical_spec(spec))


def full_definition_version(definition: FeatureDefinition) -> str:
    """The spec, the columns of the class with their descriptions, and the project.

    For a storage class, all that its contract says besides, too.
    """
    columns: Sequence[Encodable] = [
        [column.name, column.dtype, column.nullable, column.description]
        for column in sorted(definition.columns, key=lambda column: column.name)
    ]
    said: list[Encodable] = [columns, feature_spec_version(definition.spec), definition.project]
    if definition.table is not None:
        said.append(cast("Encodable", definition.contract.model_dump(mode="json")))
    return digest(DEFINITION_DOMAIN, said)


def snapshot_version(feature_versions: Iterable[tuple[FeatureKey, str]]) -> str:
    """A whole graph: which features there are, in which version."""
    pairs = sorted(feature_versions)
    return digest(SNAPSHOT_DOMAIN, [[str(key), version] for key, version in pairs])


def _row_semantics(spec: FeatureSpec, dep: FeatureDep) -> Encodable:
    """What decides which records are expected of a dependency, and under which names."""
    lineage = spec.lineage_of(dep)
    return [
        str(dep.feature),
        [lineage.kind, sorted(lineage.on)],
        [[old, new] for old, new in renames_of(dep).items()],
        canonical_filters(dep.filters),
        dep.optional,
    ]
