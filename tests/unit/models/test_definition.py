"""Definitions outlive their classes: stored as JSON and restored equal."""

import pytest

from metaxy.errors import SnapshotError
from metaxy.models.columns import ColumnSpec
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep, FeatureSpec

DEFINITION = FeatureDefinition(
    spec=FeatureSpec("a/b", id_columns=["id"], deps=[FeatureDep("c", filters="x > 1")]),
    project="p",
    columns=(ColumnSpec("id", "string"), ColumnSpec("x", "int64", nullable=True)),
    class_path="package.module.B",
)


def test_a_definition_comes_back_from_json() -> None:
    """Equal after a round trip, as text and as data."""
    assert FeatureDefinition.from_json(DEFINITION.to_json()) == DEFINITION
    assert FeatureDefinition.from_data(DEFINITION.to_data()) == DEFINITION
    assert DEFINITION.key == DEFINITION.spec.key


def test_the_stored_form_is_pinned() -> None:
    """What is in lakes must stay readable: this text was written by the first release."""
    assert DEFINITION.to_json() == (
        '{"class_path": "package.module.B", "columns": ['
        '{"description": null, "dtype": "string", "name": "id", "nullable": false}, '
        '{"description": null, "dtype": "int64", "name": "x", "nullable": true}], '
        '"project": "p", "spec": {"deps": [{"columns": null, "feature": ["c"], '
        '"fields_mapping": {"exclude_fields": [], "fields": {}, "kind": "default", '
        '"match_suffix": false}, "filters": ["x > 1"], "lineage": null, "optional": false, '
        '"rename": {}}], "description": null, "fields": [{"code_version": "1", "deps": null, '
        '"description": null, "key": ["default"]}], "id_columns": ["id"], "key": ["a", "b"], '
        '"lineage": null, "metadata": {}, "tags": []}}'
    )


def test_the_hook_is_no_part_of_the_value() -> None:
    """Two definitions that differ by `load_input` alone are equal and stored alike."""
    hooked = FeatureDefinition(spec=DEFINITION.spec, project="p", load_input=lambda: None)

    assert hooked == FeatureDefinition(spec=DEFINITION.spec, project="p")
    assert FeatureDefinition.from_json(hooked.to_json()).load_input is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"projekt": "p"}, "it takes no 'projekt'. Did you mean 'project'?"),
        ({"spec": {"key": ["a"]}}, "it needs 'id_columns'"),
        ({"columns": [{"name": "a"}]}, "it needs 'columns[0].dtype'"),
        ({"project": 1}, "'project' should be a text, got 1"),
    ],
)
def test_damaged_data_is_a_snapshot_error(change: dict[str, object], fault: str) -> None:
    """The error says what is wrong with the data, in words."""
    with pytest.raises(SnapshotError) as caught:
        FeatureDefinition.from_data(DEFINITION.to_data() | change)

    assert fault in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_text_of_another_shape_is_a_snapshot_error(text: str) -> None:
    """Broken JSON, and JSON that is no object."""
    with pytest.raises(SnapshotError, match="A stored feature is no JSON"):
        FeatureDefinition.from_json(text)
