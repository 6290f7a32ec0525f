"""A lake that a plain web server shows: read as any other, never written, told when it can't be."""

import pickle
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from films import films, polars, stored, update, videos
from metaxy.errors import (
    ConfigError,
    FallbackStoreError,
    FeatureNotFoundError,
    StoreError,
    StoreReadOnlyError,
    TableVersionNotFoundError,
    UnreadableTableError,
)
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.paths import Layout
from support.web_server import WebServer, python_server, web_server

LAKE = "team's lake é"
LOG = f"/{LAKE}/video.delta/_delta_log"


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder that the server shows."""
    (tmp_path / "served").mkdir()
    return tmp_path / "served"


@pytest.fixture
def server(served: Path) -> Iterator[WebServer]:
    """A server that lists folders and serves ranges."""
    with web_server(served) as running:
        yield running


@pytest.fixture
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for what is temporary."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def owner(served: Path, layout: Layout = "nested") -> DeltaMetadataStore:
    """The lake as its owner writes it."""
    return DeltaMetadataStore(served / LAKE, graph=films(), layout=layout)


def reader(url: str, layout: Layout = "nested") -> DeltaMetadataStore:
    """The lake as the world sees it; answers don't let it wait."""
    quick = {"timeout": "5s", "max_retries": "1", "retry_timeout": "2s"}
    return DeltaMetadataStore(f"{url}/{LAKE}", graph=films(), layout=layout, storage_options=quick)


def fill(served: Path, *ids: str) -> None:
    """One commit a video."""
    with owner(served).open("write") as store:
        for each in ids:
            store.write_metadata("video", videos((each, "1", "1")))


def branch(tmp_path: Path, *fallbacks: MetadataStore) -> DeltaMetadataStore:
    """A lake on disk with fallbacks behind it."""
    return DeltaMetadataStore(tmp_path / "own", graph=films(), fallback_stores=fallbacks)


@pytest.mark.parametrize("layout", ["nested", "flat"])
def test_a_web_lake_is_a_fallback_like_any_other(
    served: Path, server: WebServer, tmp_path: Path, layout: Layout
) -> None:
    """Reads, increments and listings work, and nothing but reading is asked for."""
    with owner(served, layout=layout).open("write") as store:
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1"), size=[1, 2]))
    production = reader(server.url, layout=layout)
    with branch(tmp_path, production).open("write") as store:
        assert stored(store, "video", "id", "size") == [("a", 1), ("b", 2)]
        assert update(store, "transcript") == [2, 0, 0]
        assert update(store, "transcript") == [0, 0, 0]
        store.record_feature_graph_snapshot()
        assert store.has_feature("video", check_fallback=True)
        assert not store.has_feature("video")
    with production as store:
        assert stored(store, "video", "id", filters=["size = 2"]) == ["b"]
        assert [str(key) for key in store.list_features()] == ["video"]
        with pytest.raises(FeatureNotFoundError):
            store.read_metadata("transcript")
        assert store.get_store_metadata("video")["table_version"] == 1

    assert {each.split()[0] for each in server.requests()} <= {"GET", "HEAD"}


def test_columns_and_files_that_are_not_needed_are_not_loaded(
    served: Path, server: WebServer
) -> None:
    """Statistics in the log tell which files a filter can be fulfilled in."""
    fill(served, "a", "b", "c")
    with reader(server.url) as store:
        frame = store.read_metadata("video", latest_only=False, filters=["id = 'b'"])
        server.requests()
        assert polars(frame)["id"].to_list() == ["b"]
        files = {each for each in server.requests() if each.endswith(".parquet")}

    assert len(files) == 1


def test_what_is_new_is_seen_at_the_next_look(served: Path, server: WebServer) -> None:
    """A look costs two requests, and one more a commit; a frame stays at what it showed."""
    fill(served, *"abc")
    with reader(server.url) as store:
        before = store.read_metadata("video")
        server.requests()
        store.read_metadata("video")
        assert server.requests() == [f"GET {LOG}/{2 + 1:020}.json", f"GET {LOG}/{4:020}.json"]
        fill(served, *"de")
        after = store.read_metadata("video")
        asked = server.requests()
        assert sorted(polars(before)["id"]) == ["a", "b", "c"]
        assert sorted(polars(after)["id"]) == ["a", "b", "c", "d", "e"]

    assert f"GET {LOG}/{5:020}.json" in asked
    assert f"GET {LOG}/{6:020}.json" in asked
    assert f"GET {LOG}/{2:020}.json" not in asked


@pytest.mark.slow
def test_a_long_log_is_read_from_its_checkpoint_on(served: Path, server: WebServer) -> None:
    """What is older comes when somebody asks for the past."""
    fill(served, *(f"v{number:02}" for number in range(45)))
    with reader(server.url) as store:
        server.requests()
        assert len(stored(store, "video", "id")) == 45
        asked = server.requests()
        assert f"GET {LOG}/_last_checkpoint" in asked
        assert f"GET {LOG}/{39:020}.checkpoint.parquet" in asked
        assert f"GET {LOG}/{38:020}.json" not in asked
        assert stored(store, "video", "id", table_version=3) == ["v00", "v01", "v02"]
        assert store.history("video")["version"].to_list() == list(range(45, -1, -1))
    with reader(server.url) as store:
        assert store.history("video").height == 46
    with reader(server.url) as store:
        assert len(stored(store, "video", "id", table_version=20)) == 20


def test_the_past_is_there_to_be_read(served: Path, server: WebServer) -> None:
    """By version, time and tag; versions whose files were vacuumed away are told."""
    fill(served, "a")
    between = datetime.now(UTC)
    time.sleep(0.02)
    fill(served, "b")
    with owner(served).open("write") as store:
        store.tag("release/1")
    fill(served, "c")
    table = DeltaTable(served / LAKE / "video.delta")
    table.optimize.compact()
    with reader(server.url) as store:
        assert stored(store, "video", "id", table_version=2) == ["a", "b"]
        assert stored(store.as_of("release/1"), "video", "id") == ["a", "b"]
        assert stored(store.as_of(between), "video", "id") == ["a"]
        assert store.diff("video", 1, 3).added["id"].to_list() != []
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    with reader(server.url) as store:
        assert stored(store, "video", "id") == ["a", "b", "c"]
        with pytest.raises(TableVersionNotFoundError, match="can't be read any more"):
            store.read_metadata("video", table_version=2)


def test_a_table_that_was_put_in_anothers_place_is_another_one(
    served: Path, server: WebServer
) -> None:
    """Found out at the next look, of whatever length its log is; so is one that is gone."""
    fill(served, "a", "b")
    with reader(server.url) as store:
        assert stored(store, "video", "id") == ["a", "b"]
        shutil.rmtree(served / LAKE / "video.delta")
        fill(served, "x", "y")
        assert stored(store, "video", "id") == ["x", "y"]
        shutil.rmtree(served / LAKE / "video.delta")
        fill(served, "p", "q", "r")
        assert stored(store, "video", "id") == ["p", "q", "r"]
        shutil.rmtree(served / LAKE / "video.delta")
        with pytest.raises(FeatureNotFoundError):
            store.read_metadata("video")


def test_a_hint_that_leads_nowhere_is_passed_over(served: Path, server: WebServer) -> None:
    """A log that is whole can be read without its checkpoints."""
    fill(served, "a")
    log = served / LAKE / "video.delta" / "_delta_log"
    for hint in ('{"version": 1, "size": 4}', '{"version": 1, "size": 4, "parts": 2}', "torn"):
        (log / "_last_checkpoint").write_text(hint)
        with reader(server.url) as store:
            assert stored(store, "video", "id") == ["a"]


def test_copies_of_logs_go_when_the_store_is_closed(
    served: Path, server: WebServer, own_temporary: Path
) -> None:
    """Frames that outlive the block are read all the same, and hold theirs till then."""
    fill(served, "a")
    store = reader(server.url)
    with store:
        stored(store, "video", "id")
        assert list(own_temporary.iterdir())
        frame = store.read_metadata("video")
    assert polars(frame)["id"].to_list() == ["a"]
    del frame

    assert not list(own_temporary.iterdir())


def test_a_web_lake_pickles_and_opens_again(served: Path, server: WebServer) -> None:
    """In its own block, too, and again after it was closed."""
    fill(served, "a")
    store: DeltaMetadataStore = pickle.loads(pickle.dumps(reader(server.url)))  # noqa: S301 -- its own
    for _ in range(2):
        with store, store:
            assert stored(store, "video", "id") == ["a"]


def test_nothing_can_be_written_to_a_web_lake(served: Path, server: WebServer) -> None:
    """It is told when it is opened for that, before anything is done."""
    fill(served, "a")
    server.requests()
    with (
        pytest.raises(StoreReadOnlyError, match=r"on a web server.*fallback_stores"),
        reader(server.url).open("write"),
    ):
        pass

    assert server.requests() == []


def test_a_web_lake_can_be_copied_from(served: Path, server: WebServer, tmp_path: Path) -> None:
    """Its rows; not its files, which a server doesn't tell the names of."""
    fill(served, "a", "b")
    target = DeltaMetadataStore(tmp_path / "own", graph=films())
    with reader(server.url) as source, target.open("write"):
        assert target.copy_metadata(source)["video"] == 2
        assert target.copy_metadata(source)["video"] == 0
        with pytest.raises(StoreError, match=r"can't list the files of its tables.*history=False"):
            target.copy_metadata(source, history=True)
        assert stored(target, "video", "id") == ["a", "b"]


def test_a_server_without_ranges_is_refused(served: Path, tmp_path: Path) -> None:
    """With what it answered, and servers that do; also one of Python's own, which many try."""
    fill(served, "a")
    with (
        python_server(served) as url,
        pytest.raises(
            UnreadableTableError,
            match=r"no parts of files: .* answered 200 OK with \d+ bytes, not 206.*nginx",
        ),
        reader(url),
    ):
        pass
    with (
        python_server(served) as url,
        branch(tmp_path, reader(url)) as store,
        pytest.raises(FallbackStoreError, match=r"no parts of files"),
    ):
        store.read_metadata("video")


def test_a_server_that_lists_no_folders_serves_features_by_name(served: Path) -> None:
    """Only listing them is refused, with what to turn on."""
    fill(served, "a")
    with web_server(served, "--no-listing") as server, reader(server.url) as store:
        assert stored(store, "video", "id") == ["a"]
        assert len(store.resolve_update("transcript").added) == 1
        with pytest.raises(StoreError, match=r"no page that lists the folder '.'.*autoindex"):
            store.list_features()


def test_a_folder_that_is_not_listed_is_not_taken_for_an_empty_one(
    served: Path, server: WebServer
) -> None:
    """Half a list would look like a whole one."""
    fill(served, "a")
    (served / LAKE / "hidden").mkdir()
    server.set_faults((403, "hidden"))
    with (
        reader(server.url) as store,
        pytest.raises(StoreError, match=r"no page that lists the folder 'hidden'"),
    ):
        store.list_features()


def test_a_lake_without_tables_lists_none(served: Path, server: WebServer) -> None:
    """As a folder that doesn't exist is an empty lake elsewhere."""
    with reader(server.url) as store:
        assert store.list_features() == ()
        with pytest.raises(FeatureNotFoundError):
            store.read_metadata("video")
    assert not (served / LAKE).exists()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (403, r"'http://127.0.0.1:\d+/team's lake é/video.delta/_delta_log/.*' with 403 Forbidden"),
        (401, r"with 401 Unauthorized.*let all read the lake"),
        (500, r"with 500 Internal Server Error.*try again"),
    ],
)
def test_what_a_server_answers_instead_of_a_file_is_told(
    served: Path, server: WebServer, status: int, told: str
) -> None:
    """It is never taken for a missing table."""
    fill(served, "a")
    with reader(server.url) as store:
        server.set_faults((status, "video.delta"))
        with pytest.raises(UnreadableTableError, match=told):
            store.read_metadata("video")
        server.set_faults()
        assert stored(store, "video", "id") == ["a"]


def test_a_data_file_that_may_not_be_read_is_told(served: Path, server: WebServer) -> None:
    """By Polars, when the frame is collected."""
    fill(served, "a")
    with reader(server.url) as store:
        server.set_faults((403, "parquet"))
        with pytest.raises(PermissionError, match="403 Forbidden"):
            polars(store.read_metadata("video"))


def test_files_that_are_not_there_are_no_table(served: Path, server: WebServer) -> None:
    """404 is the answer where there is nothing."""
    fill(served, "a")
    with reader(server.url) as store:
        server.set_faults((404, "video.delta"))
        with pytest.raises(FeatureNotFoundError):
            store.read_metadata("video")


def test_a_site_that_answers_everything_with_a_page_is_no_lake(
    served: Path, server: WebServer
) -> None:
    """As servers of single-page applications do."""
    log = served / LAKE / "video.delta" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("<!doctype html><title>Home</title>")
    with (
        reader(server.url) as store,
        pytest.raises(UnreadableTableError, match="with a page for people"),
    ):
        store.read_metadata("video")


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Within seconds, and only when it is needed."""
    start = time.monotonic()
    with branch(tmp_path, reader("http://127.0.0.1:1")).open("write") as store:
        with pytest.raises(FallbackStoreError, match=r"'http://127.0.0.1:1/.*' doesn't answer"):
            store.resolve_update("transcript")
        store.write_metadata("video", videos(("z", "1", "1")))
        assert update(store, "transcript") == [1, 0, 0]

    assert time.monotonic() - start < 10


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_url_with_a_password_is_refused_without_telling_it(scheme: str) -> None:
    """Polars would leave it out, and the URL may be anywhere in its texts."""
    with pytest.raises(ConfigError, match=r"sends no user name.*'s3://") as raised:
        DeltaMetadataStore(f"{scheme}://user:hush-hush@example.org/lake")

    assert "hush-hush" not in str(raised.value)
    assert "user" not in str(raised.value).replace("user name", "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"timeot": "5s"}, "'timeot', which no lake on a web server.*mean 'timeout'"),
        ({"max_retries": "many"}, "max_retries='many'; it is a number"),
        ({"timeout": "soon"}, "time 'soon'; write it like '30s'"),
    ],
)
def test_options_that_a_web_lake_does_not_know_are_refused(
    options: dict[str, str], told: str
) -> None:
    """Before anything is asked for."""
    with pytest.raises(ConfigError, match=told):
        DeltaMetadataStore("https://example.org/lake", storage_options=options)
