"""A table's contract as a value."""

import pytest

from metaxy import BaseFeature, FeatureKey, FeatureRegistry, FeatureSpec
from metaxy.errors import DefinitionError
from metaxy.models.columns import ColumnSpec
from metaxy.models.contract import TableContract


def test_a_feature_class_gives_the_contract_of_its_table() -> None:
    """Open: the table may have other columns, and comes into being by a write."""
    with FeatureRegistry(default_project="films").use():

        class Video(
            BaseFeature,
            spec=FeatureSpec("video/file", id_columns=["id"], description="Files.", tags=["raw"]),
        ):
            id: str
            height: int | None = None

    definition = Video.definition()

    assert definition.contract == TableContract(
        key=FeatureKey("video/file"),
        project=definition.project,
        columns=(ColumnSpec("id", "string"), ColumnSpec("height", "int64", nullable=True)),
        grain=("id",),
        description="Files.",
        labels=("raw",),
    )
    assert definition.contract.table_name == "video__file"
    assert definition.contract.column("height") == ColumnSpec("height", "int64", nullable=True)
    assert definition.contract.column("width") is None


def test_the_uid_is_that_of_project_and_table_name() -> None:
    """And of nothing else."""
    key = FeatureKey("video/file")
    one = TableContract(key=key, project="films", grain=("id",))
    other = TableContract(key=key, project="films", grain=("x",), description="Other.")

    assert one.uid == other.uid
    assert one.uid != TableContract(key=key, project="music", grain=("id",)).uid
    assert one.uid != TableContract(key=FeatureKey("video"), project="films", grain=("id",)).uid


def test_a_closed_contract_has_all_that_it_names() -> None:
    """The index columns and the time are among its columns; all faults come at once."""
    with pytest.raises(DefinitionError) as raised:
        TableContract(
            key=FeatureKey("video"),
            project="films",
            columns=(ColumnSpec("id", "string"),),
            grain=("id", "day"),
            time_index="at",
            is_closed=True,
        )

    assert raised.value.faults == (
        "the grain names 'day'; the columns are 'id'",
        "the time index 'at' is no part of the grain 'id', 'day'",
    )


def test_a_contract_comes_back_from_json_as_it_was() -> None:
    """Lakes have it on record."""
    contract = TableContract(
        key=FeatureKey("video"),
        project="films",
        columns=(ColumnSpec("id", "string", description="é"),),
        grain=("id",),
        labels=("a", "b"),
    )

    assert TableContract.model_validate_json(contract.model_dump_json()) == contract
