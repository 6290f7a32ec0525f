"""`metaxy metadata copy`: what it copies, what it tells, what it refuses."""

import pytest

from cli_project import Cli, Compute, WriteRoot


@pytest.fixture(autouse=True)
def written(write_root: WriteRoot, compute: Compute) -> None:
    """Three records of the root and of one feature, in the store `dev`."""
    write_root(a="1", b="1", c="1")
    compute("video/crop")


def test_records_are_copied_once(metaxy: Cli) -> None:
    """A line a feature, upstreams first; the second time nothing is left to copy."""
    first = metaxy("metadata", "copy", "dev", "--store", "other")
    again = metaxy("metadata", "copy", "dev", "--store", "other")

    assert (first.code, again.code, first.err) == (0, 0, "")
    assert first.out == "video: 3 rows copied\nvideo/crop: 3 rows copied\n"
    assert again.out == (
        "video: 0 rows copied, 3 there already\nvideo/crop: 0 rows copied, 3 there already\n"
    )


def test_a_part_is_copied_and_told_as_json(metaxy: Cli) -> None:
    """Features and filters choose."""
    ended = metaxy(
        "metadata",
        "copy",
        "dev",
        "video",
        "--filter",
        "video=id = 'a'",
        "--store",
        "other",
        "--json",
    )

    assert ended.data == {
        "store": "other",
        "from": "dev",
        "copied": [
            {
                "feature": "video",
                "rows_copied": 1,
                "rows_skipped": 0,
                "files_copied": 0,
                "bytes_copied": 0,
                "table_version": 1,
            }
        ],
    }


def test_histories_are_copied(metaxy: Cli) -> None:
    """The files are counted."""
    ended = metaxy("metadata", "copy", "dev", "video", "--history", "--store", "other")

    assert ended.out == "video: 3 rows copied (3 files)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dev", "--store", "dev"], "'dev' is the store that is copied to."),
        (["dev"], "'dev' is the store that is copied to."),
        (["dev", "--store", "other", "--filter", "video"], "is not of the form FEATURE=SQL"),
        (["dev", "--store", "other", "--history", "--full"], "--history copies whole tables"),
        (["dev", "vidoe", "--store", "other"], "Did you mean 'video'?"),
        (["dev", "--store", "other", "--snapshot", "x"], "no snapshot 'x'"),
    ],
)
def test_what_makes_no_sense_is_refused(metaxy: Cli, arguments: list[str], message: str) -> None:
    """With 1, and nothing on stdout."""
    ended = metaxy("metadata", "copy", *arguments)

    assert (ended.code, ended.out) == (1, "")
    assert message in ended.err
