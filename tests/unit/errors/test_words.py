"""The words that messages are made of."""

from metaxy.errors import counted, did_you_mean, itemised, listed, nearest


def test_the_nearest_name_ignores_case_and_order() -> None:
    """A slip of a letter or of the case finds its name, however the names are ordered."""
    assert nearest("Vidoe/File", ["audio", "video/file"]) == "video/file"
    assert nearest("codek", ["height", "codec"]) == "codec"
    assert nearest("codek", ["codec", "height"]) == "codec"


def test_a_strange_name_has_no_nearest() -> None:
    """Nothing is guessed that is not likely."""
    assert nearest("xyz", ["video/file"]) is None
    assert nearest("xyz", []) is None
    assert did_you_mean("xyz", ["video/file"]) == ""


def test_long_lists_are_cut_with_the_number_left_out() -> None:
    """A list shows at most `limit` names and says how many more there are."""
    assert listed(["a", "b", "c"]) == "'a', 'b', 'c'"
    assert listed(["a", "b", "c"], limit=2) == "'a', 'b' and 1 more"
    assert listed([]) == "nothing"


def test_numbers_agree_with_their_nouns() -> None:
    """One column, two columns."""
    assert [counted(n, "column") for n in (0, 1, 2)] == ["0 columns", "1 column", "2 columns"]


def test_no_items_leave_the_head_alone() -> None:
    """A head without items is a message by itself."""
    assert itemised("It failed.", []) == "It failed."
