"""Names that would meet on disk are refused when the graph is built."""

import pytest

from definitions import faults_of, feature
from metaxy.errors import GraphError
from metaxy.graph.graph import FeatureGraph


def test_a_key_names_one_feature() -> None:
    """Two definitions of one key are told with where they come from."""
    assert faults_of(feature("a"), feature("a", project="other")) == [
        "'a' is declared 2 times, by 'a definition without a class', 'a definition without a "
        "class'. A key names one feature: give the others keys of their own."
    ]


@pytest.mark.parametrize(("first", "second"), [("a/b", "a_b"), ("a-b", "a_b"), ("A", "a")])
def test_keys_that_would_share_a_table_are_refused(first: str, second: str) -> None:
    """Whatever the layout: nested, flat, or one where case doesn't count."""
    assert faults_of(feature(first), feature(second), feature("other")) == [
        f"'{first}' would share a table with '{second}': case, '/', '-' and '_' do not tell tables "
        "apart in every layout. Give each a key that differs in more than these."
    ]


@pytest.mark.parametrize(("first", "second"), [("p/q", "p_q"), ("P-q", "p_q")])
def test_fields_that_would_share_a_place_in_a_struct_are_refused(first: str, second: str) -> None:
    """Fields are names of struct fields on disk."""
    assert faults_of(feature("a", fields=(second, first, "other"))) == [
        f"'a' has the field '{first}' beside '{second}', and they would share a place in the "
        "table: case, '/', '-' and '_' do not tell fields apart. Rename all but one."
    ]


def test_an_id_column_and_a_column_alike_but_for_case_are_refused() -> None:
    """Tables do not tell them apart."""
    assert faults_of(feature("a", ids=("Id",), columns=("id", "other"))) == [
        "'a' has the column 'Id' beside 'id', and tables do not tell columns apart by case. "
        "Rename all but one."
    ]


def test_all_faults_of_a_graph_come_in_one_error() -> None:
    """Sorted, counted and listed, and as an attribute."""
    with pytest.raises(GraphError) as caught:
        FeatureGraph.from_definitions(
            [feature("z", deps=("y",)), feature("b"), feature("B"), feature("a", deps=("a",))]
        )

    assert [fault.partition(" ")[0] for fault in caught.value.faults] == ["'B'", "'a'", "'z'"]
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    assert "3 faults" in str(caught.value)
