"""Where a lake may lie, what lies in it, and that no message gives away how to get in."""

import json
import pickle
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from definitions import feature, graph_of
from films import BY_FIELD, films, stored, update, videos
from metaxy.errors import ConfigError, StoreError
from metaxy.metadata_store.delta import DeltaMetadataStore, DeltaMetadataStoreConfig
from support.child_process import TESTS_FOLDER, python_module


@pytest.mark.parametrize(
    "folder",
    ["a b", "é", "日本", "100%", "50%off %zz", "a#b?c", "a&b;c=d", "{x}'\"", "x*y", "~", "a.delta"],
)
def test_a_lake_may_have_an_odd_root(tmp_path: Path, folder: str) -> None:
    """The main job works, and nothing lies beside the lake."""
    root = tmp_path / folder / "lake"
    with DeltaMetadataStore(root, graph=films()).open("write") as store:
        assert update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"))) == [2, 0, 0]
        store.write_metadata("video", videos(("a", "2", "1"), size=[1]))
        assert update(store, "transcript") == [2, 0, 0]
        assert [str(key) for key in store.list_features()] == ["transcript", "video"]

    assert [each.name for each in tmp_path.iterdir()] == [folder]
    assert (root / "video.delta").is_dir()


@pytest.mark.parametrize(
    ("folder", "named"),
    [("a%20b", "'%20'"), ("a[1]", "'[', ']'"), ("a|b", "'|'"), ("a^b", "'^'"), ("a\nb", "n'")],
)
def test_a_root_that_delta_would_misread_is_refused(
    tmp_path: Path, folder: str, named: str
) -> None:
    """Before anything is written, with what is wrong with it."""
    with pytest.raises(ConfigError) as raised:
        DeltaMetadataStore(tmp_path / folder, graph=films())

    assert "delta-rs can't use paths with" in str(raised.value)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("root", "told"),
    [
        ("gss://bucket/lake", "nothing reads 'gss://'. Did you mean 'gs'? Known are"),
        ("", "root_path is empty: give a folder, such as 'lake'; '.' is the current one."),
        (
            "s3:/bucket/lake",
            "root_path is 's3:/bucket/lake': is 's3://bucket/lake' meant? "
            "A folder of that name is './s3:/…'.",
        ),
    ],
)
def test_a_root_that_is_surely_a_slip_is_refused(root: str, told: str) -> None:
    """A variable that is empty, or a slash too few, would make a lake in the current folder."""
    with pytest.raises(ConfigError) as raised:
        DeltaMetadataStore(root, graph=films())

    assert told in str(raised.value)


@pytest.mark.parametrize("root", [None, 5, ["lake"]])
def test_a_root_that_is_no_path_is_refused(root: Any) -> None:
    """With the name of the option."""
    with pytest.raises(ConfigError, match=r"root_path is .*; give a folder as a text or a Path"):
        DeltaMetadataStore(root, graph=films())


def test_an_option_that_there_is_not_is_told(tmp_path: Path) -> None:
    """With the nearest one, of this kind of store or of all."""
    with pytest.raises(
        TypeError, match=r"takes no 'root'\. Did you mean 'root_path'\? It takes 'auto"
    ):
        DeltaMetadataStore(root=tmp_path)
    with pytest.raises(TypeError, match="Did you mean 'fallback_stores'"):
        DeltaMetadataStore(tmp_path, fallbackstores=[])


def test_fallbacks_are_a_list_of_stores(tmp_path: Path) -> None:
    """One store, or its place, is told as what it is."""
    store = DeltaMetadataStore(tmp_path / "prod", graph=films())
    given: Any
    for given in (store, str(tmp_path / "prod")):
        with pytest.raises(
            ConfigError, match=r"fallback_stores is .*prod.*; give a list of stores"
        ):
            DeltaMetadataStore(tmp_path, fallback_stores=given)


def test_a_folder_may_be_called_like_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is said to be one."""
    monkeypatch.chdir(tmp_path)

    assert DeltaMetadataStore("./s3:/lake", graph=films()).root_path == f"{tmp_path}/s3:/lake"


def test_a_relative_root_is_taken_from_where_the_store_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is the same lake after the folder was changed."""
    monkeypatch.chdir(tmp_path)
    store = DeltaMetadataStore(graph=films())
    monkeypatch.chdir("/")

    assert store.root_path == str(tmp_path / ".metaxy" / "lake")
    assert DeltaMetadataStore(f"file://{tmp_path}/x").root_path == f"{tmp_path}/x"


def test_layouts_put_tables_where_they_say(tmp_path: Path) -> None:
    """Nested in folders or flat in one; keys that look alike are told apart."""
    keys = ["a/b", "a/b-c", "a", "x-y"]
    graph = graph_of(*(feature(key) for key in keys))
    frame = pl.DataFrame({"id": ["1"], BY_FIELD: [{"default": "1"}]})
    places = {
        "nested": ["a.delta", "a/b-c.delta", "a/b.delta", "x-y.delta"],
        "flat": ["a.delta", "a__b.delta", "a__b_c.delta", "x_y.delta"],
    }
    for layout, expected in places.items():
        root = tmp_path / layout
        store = DeltaMetadataStore(root, graph=graph, layout=layout)  # pyright: ignore[reportArgumentType]
        with store.open("write"):
            for key in keys:
                store.write_metadata(key, frame)
            assert [str(key) for key in store.list_features()] == ["a", "a/b", "a/b-c", "x-y"]
        tables = [each.parent.relative_to(root) for each in root.rglob("_delta_log")]
        own = [str(each) for each in tables if each.parts[0] != "metaxy-system"]
        assert sorted(own) == expected


def test_a_lake_is_opened_with_its_own_layout(tmp_path: Path) -> None:
    """With the other one all its tables would seem to be missing."""
    with DeltaMetadataStore(tmp_path, graph=films(), layout="flat").open("write") as store:
        store.write_metadata("video", videos(("a", "1", "1")))
    with pytest.raises(ConfigError, match="has the layout 'flat', and was opened with layout='nes"):
        DeltaMetadataStore(tmp_path, graph=films()).__enter__()


def test_other_things_in_the_folder_are_no_features(tmp_path: Path) -> None:
    """Tables of other programs and stray folders are left alone."""
    pl.DataFrame({"x": [1]}).write_delta(tmp_path / "of somebody.delta")
    (tmp_path / "empty.delta").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        update(store, "video", videos(("a", "1", "1")))

        assert [str(key) for key in store.list_features()] == ["video"]


@pytest.mark.parametrize("inside", ["", "deep/lake"])
def test_a_file_in_the_way_of_a_lake_is_told(tmp_path: Path, inside: str) -> None:
    """In words, with the way out; nothing is made."""
    (tmp_path / "notes").touch()
    root = tmp_path / "notes" / inside

    with (
        DeltaMetadataStore(root, graph=films()).open("write") as store,
        pytest.raises(StoreError) as raised,
    ):
        update(store, "video", videos(("a", "1", "1")))

    assert str(raised.value) == (
        f"A lake can't be made at '{root}': '{tmp_path / 'notes'}' is no folder. Move it away, or "
        "give another root_path."
    )


def test_missing_rights_are_told_and_hide_nothing() -> None:
    """A lake that may not be looked into isn't taken for an empty one, nor a table for missing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        ended = subprocess.run(  # noqa: S603 -- a program of the tests
            python_module("support.lowly_user", name),
            cwd=TESTS_FOLDER,
            capture_output=True,
            text=True,
            check=True,
        )
    told = json.loads(ended.stdout)

    assert told["read"] == "1"
    assert told["make"] == (
        f"StoreError: A lake can't be made at '{folder}/closed/deep/lake': no permission to write "
        f"in '{folder}/closed'. Have it given to the user that this runs as, or give another "
        "root_path."
    )
    assert told["write"].startswith(
        "StoreError: Writing to 'video' failed, and nothing was written: no permission to write in "
        f"'{folder}/readable/video.delta'."
    )
    assert told["hidden"] == (
        f"UnreadableTableError: The Delta table at '{folder}/hidden/metaxy-system/lake.delta' "
        f"can't be opened: [Errno 13] Permission denied: '{folder}/hidden/metaxy-system/lake.delta'"
    )
    assert "Permission denied" in told["hidden_settings"]
    assert told["unlisted"] == (
        "StoreError: Which features are in the lake can't be told: the folder "
        f"'{folder}/hidden_table/deep' can't be listed (Permission denied)."
    )


def test_any_reader_of_delta_reads_a_table(tmp_path: Path) -> None:
    """Where it lies is told, with its version."""
    with DeltaMetadataStore(tmp_path, graph=films()).open("write") as store:
        assert store.get_store_metadata("video")["table_version"] is None
        update(store, "video", videos(("a", "1", "1")))

        assert pl.read_delta(store.table_path("video"))["id"].to_list() == ["a"]
        assert store.get_store_metadata("video") == {
            "store": f"DeltaMetadataStore({tmp_path})",
            "path": f"{tmp_path}/video.delta",
            "table_version": 1,
        }


SECRETS = {
    "aws_secret_access_key": "hush-hush-1",
    "aws_access_key_id": "hush-hush-2",
    "aws_session_token": "hush-hush-3",
    "aws_endpoint_url": "http://user:hush-hush-4@127.0.0.1:1",
    "aws_region": "eu-west-1",
    "aws_allow_http": "true",
    "max_retries": "0",
    "retry_timeout": "1s",
    "timeout": "1s",
}


def test_credentials_never_show(tmp_path: Path) -> None:
    """Neither in what a store says of itself nor in its errors, their causes and pickles."""
    root = "s3://user:hush-hush-5@bucket/lake"
    store = DeltaMetadataStore(root, graph=films(), storage_options=SECRETS)
    config = DeltaMetadataStoreConfig(root_path=root, storage_options=SECRETS)
    shown = [store.display(), repr(store), str(store), repr(config), str(config)]
    with pytest.raises(StoreError) as raised, store.open("write"):
        store.write_metadata("video", videos(("a", "1", "1")))
    error: BaseException | None = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 -- our own
    shown += [str(error), repr(error), repr(vars(raised.value))]
    error = raised.value
    while error is not None:
        shown += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    del tmp_path

    assert not [text for text in shown if "hush" in text]


def test_stored_twice_is_the_same_lake(tmp_path: Path) -> None:
    """Two stores of one folder see each other's writes at once."""
    one, two = (DeltaMetadataStore(tmp_path, graph=films()) for _ in range(2))
    with one.open("write"), two:
        update(one, "video", videos(("a", "1", "1")))
        assert stored(two, "video", "id") == ["a"]
