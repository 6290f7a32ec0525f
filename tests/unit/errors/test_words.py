"""The words that messages are made of."""

from datetime import UTC, datetime, timedelta, timezone

from metaxy.errors import counted, did_you_mean, itemised, listed, nearest, told_time


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


def test_times_are_told_in_utc() -> None:
    """Whatever their zone; parts of a second are told where there are any."""
    east = timezone(timedelta(hours=2))

    assert told_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=east)) == "2026-01-02 01:04:05 UTC"
    assert told_time(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)) == (
        "2026-01-02 03:04:05.000006 UTC"
    )
