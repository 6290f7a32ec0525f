"""Lineages as values."""

import pytest

from metaxy.errors import DefinitionError
from metaxy.models.lineage import Lineage


def test_the_three_kinds() -> None:
    """One column may be given by itself."""
    assert (Lineage.identity().kind, Lineage.identity().on) == ("identity", ())
    assert Lineage.aggregation("id").on == ("id",)
    assert Lineage.expansion(on=["a", "b"]).on == ("a", "b")
    assert str(Lineage.expansion(["a", "b"])) == "expansion(a, b)"


@pytest.mark.parametrize(
    "lineage", [Lineage.identity(), Lineage.aggregation("a"), Lineage.expansion(["a", "b"])]
)
def test_a_lineage_comes_back_from_json(lineage: Lineage) -> None:
    """Equal after a round trip."""
    assert Lineage.model_validate_json(lineage.model_dump_json()) == lineage


def test_a_lineage_without_its_columns_is_refused() -> None:
    """Aggregations and expansions need `on`; naming a column twice is a slip."""
    with pytest.raises(DefinitionError, match="an aggregation needs 'on'"):
        Lineage.aggregation([])
    with pytest.raises(DefinitionError, match="an expansion needs 'on'"):
        Lineage.expansion([])
    with pytest.raises(DefinitionError, match="names a column twice"):
        Lineage.expansion(["a", "a"])
    with pytest.raises(DefinitionError, match="an identity has no 'on'"):
        Lineage(kind="identity", on="a")
