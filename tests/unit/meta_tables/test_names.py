"""Names of tables."""

import pytest

from metaxy.meta_tables import schema_table_name
from metaxy.meta_tables.naming import table_key


def test_a_name_is_the_key_with_two_underscores_between_its_parts() -> None:
    """Splitting the name gives the parts of the feature key."""
    name = schema_table_name("example_project", "daily_metrics")

    assert name == "example_project__daily_metrics"
    assert table_key(name).parts == ("example_project", "daily_metrics")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (("SDK Examples", "Account Holdings"), "sdk_examples__account_holdings"),
        (("app", "a -- b", "Raw!"), "app__a_b__raw"),
        (("a__p_p", "_x_"), "a_p_p__x"),
    ],
)
def test_parts_are_written_in_small_letters_and_digits(given: tuple[str, ...], name: str) -> None:
    """Runs of anything else become one underscore, none at the ends."""
    assert schema_table_name(*given) == name
    assert table_key(name).table_name == name


def test_long_names_are_cut_and_stay_distinct() -> None:
    """At most 63 characters; the app is whole."""
    names = [schema_table_name("sdk_examples", "x" * 200 + end) for end in ("", "y", "z")]
    suffixed = schema_table_name("sdk_examples", "x" * 200, "y")

    assert [len(each) for each in (*names, suffixed)] == [63] * 4
    assert all(each.startswith("sdk_examples__xxx") for each in (*names, suffixed))
    assert len({*names, suffixed}) == 4
    assert [table_key(each).table_name for each in names] == names


def test_a_name_of_63_characters_is_left_as_it_is() -> None:
    """One more is cut."""
    assert schema_table_name("app", "x" * 58) == "app__" + "x" * 58
    cut = schema_table_name("app", "x" * 59)
    assert cut.startswith("app__xxxx")
    assert cut != "app__" + "x" * 59
    assert len(cut) == 63


@pytest.mark.parametrize("given", [("", "x"), ("x", ""), ("x", "y", ""), ("x", "—"), ("é", "x")])
def test_empty_parts_are_refused(given: tuple[str, ...]) -> None:
    """So are parts without anything that a name can be made of."""
    with pytest.raises(ValueError, match=r"schema_table_name got \w+="):
        schema_table_name(*given)


def test_an_app_that_leaves_no_room_is_refused() -> None:
    """It can't be kept whole."""
    with pytest.raises(ValueError, match=r"Take a shorter app"):
        schema_table_name("x" * 60, "y" * 10)


@pytest.mark.parametrize("name", ["a-b__c", "a____b", "a__", "metaxy_x__y", "a b"])
def test_names_that_are_no_key_are_refused(name: str) -> None:
    """With the way to one that is."""
    with pytest.raises(ValueError, match=r"use schema_table_name"):
        table_key(name)
