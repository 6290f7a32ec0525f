"""`metaxy status`: what it counts, what it says, and how it exits."""

import re
from pathlib import Path

import pytest

from cli_project import FEATURES, SETTINGS, Cli, Compute, WriteRoot

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def test_a_new_lake_is_pending(project: Path, metaxy: Cli) -> None:
    """Before the first record, roots are not written, all else waits, and nothing is created."""
    ended = metaxy("status")

    assert ended.code == 2
    assert ended.out.splitlines() == [
        "feature      state        records  added  changed  removed  source  last write",
        "video        not written        0      -        -        -  -       -",
        "video/crop   waiting            0      -        -        0  -       -",
        "video/faces  waiting            0      -        -        0  -       -",
    ]
    assert ended.err.splitlines() == [
        f"Warning: There is no lake at '{project}/lake': there is no such folder. It reads as a "
        "lake without records. Check root_path; if the lake is to be a new one, the first write "
        "makes it.",
        "",
        "video: a root without records; write_metadata(…) adds the first.",
        "video/crop: no records of the current version of its upstream 'video' yet.",
        "video/faces: no records of the current version of its upstream 'video/crop' yet.",
        "",
        "Pending: 3 of 3 features.",
    ]
    assert not (project / "lake").exists()


def test_all_that_a_feature_waits_for_is_told(project: Path, metaxy: Cli) -> None:
    """In one line."""
    source = (project / "demo_features.py").read_text()
    (project / "demo_features.py").write_text(
        source.replace("deps=[FeatureDep(Crop)]", "deps=[FeatureDep(Crop), FeatureDep(Video)]")
    )

    ended = metaxy("status", "video/faces")

    assert ended.err.splitlines()[2] == (
        "video/faces: no records of the current version of its upstreams 'video', 'video/crop' yet."
    )


def test_each_feature_is_counted_against_what_it_is_made_from(
    metaxy: Cli, write_root: WriteRoot, compute: Compute
) -> None:
    """Added, changed and removed are those of the increment, feature by feature."""
    write_root(a="1", b="1", c="1")
    compute("video/crop")
    write_root(a="2", d="1")

    ended = metaxy("status")

    assert ended.code == 2
    assert TIME.sub("TIME", ended.out).splitlines() == [
        "feature      state         records  added  changed  removed  source  last write",
        "video        not compared        4      -        -        -  dev     TIME",
        "video/crop   pending             3      1        1        0  dev     TIME",
        "video/faces  pending             0      3        0        0  -       -",
    ]
    assert ended.err.splitlines()[-1] == "Pending: 2 of 3 features."


def test_a_computed_lake_is_in_sync(metaxy: Cli, write_root: WriteRoot, compute: Compute) -> None:
    """With everything computed the exit code is 0; that roots aren't compared is said."""
    write_root(a="1")
    compute("video/crop", "video/faces")

    ended = metaxy("status")

    assert ended.code == 0
    assert ended.err.splitlines() == [
        "",
        "Not compared: roots. resolve_update(…, samples=…) of 'video' can.",
        "",
        "In sync: nothing is to be computed.",
    ]


def test_new_code_makes_all_records_pending(
    project: Path, metaxy: Cli, write_root: WriteRoot, compute: Compute
) -> None:
    """Records of another feature version don't count, and are mentioned."""
    write_root(a="1", b="1")
    compute("video/crop", "video/faces")
    module = project / "demo_features.py"
    module.write_text(FEATURES.replace('code_version="1"', 'code_version="2"'))

    ended = metaxy("status", "video/faces")

    assert ended.code == 2
    assert TIME.sub("TIME", ended.out).splitlines()[1:] == [
        "video/faces  pending        0      2        0        0  -       TIME",
    ]
    assert "video/faces: the store has records of older versions of it only." in ended.err


def test_the_store_can_be_chosen(metaxy: Cli, write_root: WriteRoot, compute: Compute) -> None:
    """`--store` asks another lake, with records of its own."""
    write_root("other", a="1")
    compute("video/crop", "video/faces", store_name="other")

    assert metaxy("status", "--store", "other").code == 0
    assert metaxy("status").code == 2


def test_json_has_stable_fields(
    project: Path, metaxy: Cli, write_root: WriteRoot, compute: Compute
) -> None:
    """The JSON is the documented one: numbers plain, times in UTC, what is unknown null."""
    write_root(a="1", b="1")
    compute("video/crop")

    ended = metaxy("status", "--json", "video/crop", "video")

    assert ended.code == 0
    assert ended.err == ""
    assert ended.data["store"] == "dev"
    assert ended.data["in_sync"] is True
    root, crop = ended.data["features"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", crop.pop("last_write_at"))
    assert re.fullmatch("[0-9a-f]{64}", crop.pop("feature_version"))
    assert crop.pop("source_store") == f"DeltaMetadataStore({project}/lake)"
    assert crop == {
        "feature": "video/crop",
        "project": "demo",
        "state": "in_sync",
        "records": 2,
        "added": 0,
        "changed": 0,
        "removed": 0,
        "grain": ["id"],
        "counts_parents": False,
        "waits_for": [],
        "has_older_versions": False,
        "source": "dev",
        "unanswered": None,
        "error": None,
    }
    assert (root["state"], root["added"]) == ("not_compared", None)


CHAIN = """
[stores.branch]
type = "delta"
[stores.branch.config]
root_path = "branch_lake"
fallback_stores = ["other", "dev"]
"""


def test_the_store_that_a_feature_comes_from_is_named(
    project: Path, metaxy: Cli, write_root: WriteRoot, compute: Compute
) -> None:
    """By its name in the configuration, wherever in the chain it stands; then what it is."""
    settings = SETTINGS + 'fallback_stores = ["dev"]\n' + CHAIN.replace(', "dev"', "")
    (project / "metaxy.toml").write_text(settings)
    write_root("dev", a="1")
    compute("video/crop", store_name="other")
    compute("video/faces", store_name="branch")

    ended = metaxy("status", "--store", "branch")

    assert ended.code == 2
    assert TIME.sub("TIME", ended.out).splitlines() == [
        "feature      state         records  added  changed  removed  source  last write",
        "video        not compared        0      -        -        -  dev     -",
        "video/crop   pending             0      1        0        0  other   -",
        "video/faces  in sync             1      0        0        0  branch  TIME",
    ]
    assert ended.err.splitlines() == [
        "",
        f"Fallback store 'dev': DeltaMetadataStore({project}/lake).",
        f"Fallback store 'other': DeltaMetadataStore({project}/other_lake).",
        "",
        "Pending: 1 of 3 features.",
    ]
    told = metaxy("status", "--store", "branch", "--json").data["features"]
    assert [each["source"] for each in told] == ["dev", "other", "branch"]
    assert told[0]["source_store"] == f"DeltaMetadataStore({project}/lake)"


def test_a_fallback_that_does_not_answer_hides_no_counts(
    project: Path, metaxy: Cli, write_root: WriteRoot
) -> None:
    """Where the records may come from is told to be unknown; what is to be done, isn't."""
    (project / "metaxy.toml").write_text(SETTINGS + CHAIN)
    write_root("branch", a="1")
    log = project / "other_lake" / "video" / "crop.delta" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("{torn")

    ended = metaxy("status", "--store", "branch", "--json", "video/crop", "video")

    video, crop = ended.data["features"]
    assert (video["source"], video["unanswered"]) == ("branch", None)
    assert (crop["state"], crop["added"], crop["source"]) == ("pending", 1, None)
    assert "other_lake) doesn't answer, and 'video/crop' isn't" in crop["unanswered"]
    assert "other_lake) doesn't answer" in metaxy("status", "--store", "branch", "video/crop").err


def test_a_feature_that_cannot_be_asked_does_not_hide_the_others(
    project: Path, metaxy: Cli, write_root: WriteRoot, compute: Compute
) -> None:
    """An error of one feature is its state, the others are told, and the exit code is 1."""
    module = project / "demo_features.py"
    selected = FEATURES.replace("FeatureDep(Video)", 'FeatureDep(Video, columns=["path"])')
    write_root(a="1")
    compute("video/crop", "video/faces")
    module.write_text(selected)

    ended = metaxy("status")

    assert ended.code == 1
    states = [line.split()[:2] for line in ended.out.splitlines()[1:]]
    assert states == [["video", "not"], ["video/crop", "failed"], ["video/faces", "in"]]
    assert "video/crop: 'video/crop' needs 1 column that 'video' does not have: 'path'" in ended.err
    assert ended.err.endswith("1 feature could not be asked.\n")


@pytest.mark.usefixtures("project")
def test_a_misspelt_feature_is_an_error(metaxy: Cli) -> None:
    """The message has the nearest right name."""
    ended = metaxy("status", "video/face")

    assert ended.code == 1
    assert ended.err.endswith(
        "\nError: The graph has no feature 'video/face'; it has 'video', 'video/crop', "
        "'video/faces'. Did you mean 'video/faces'?\n"
    )
    assert ended.out == ""


def test_an_exception_in_the_users_code_is_not_called_a_bug_of_metaxy(
    project: Path, metaxy: Cli, write_root: WriteRoot
) -> None:
    """What a hook raises is told with the line of the hook."""
    write_root(a="1")
    hook = """
    @classmethod
    def load_input(cls, current, upstream):
        raise RuntimeError("not today")
"""
    (project / "demo_features.py").write_text(FEATURES + hook)
    line = len(FEATURES.splitlines()) + 4

    ended = metaxy("status")

    assert ended.code == 1
    assert ended.err == (
        f"Error: RuntimeError: not today\nIt was raised at {project}/demo_features.py:{line}. "
        "`--debug` shows how it came about.\n"
    )
