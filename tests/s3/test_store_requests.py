"""What a store costs in requests: each bound is the figure that was counted, or one above."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from definitions import feature, graph_of
from films import BY_FIELD, films, polars, stored, update, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from support.fault_proxy import FaultProxy
from support.s3_endpoint import S3Endpoint

_log = logging.getLogger(__name__)


class Counted:
    """A lake, of which one store is reached through a proxy that counts."""

    def __init__(self, proxy: FaultProxy, lake: S3Endpoint, root: str, **options: Any) -> None:
        self._proxy = proxy
        options = {"graph": films()} | options
        self.aside = DeltaMetadataStore(root, storage_options=lake.storage_options(), **options)
        self.store = DeltaMetadataStore(
            root, storage_options=proxy.endpoint.storage_options(), **options
        )

    def requests_of(self, name: str, operation: Callable[[], object]) -> Counter[str]:
        """How many requests of each kind an operation took."""
        self._proxy.forget_requests()
        operation()
        counts = self._proxy.counts()
        _log.info("%s: %d, %s", name, counts.total(), dict(counts))
        return counts


@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_an_open_table_costs_few_requests(proxy: FaultProxy, lake: S3Endpoint, prefix: str) -> None:
    """At 25 commits: what is kept open is looked at, not read again."""
    counted = Counted(proxy, lake, lake.uri(prefix))
    store, aside = counted.store, counted.aside
    with aside.open("write"):
        for number in range(25):
            aside.write_metadata("video", videos((f"v{number}", "1", "1")))
    with aside.open("write"), store.open("write"):
        first = counted.requests_of("first look", lambda: store.read_metadata("video"))
        same = counted.requests_of("nothing new", lambda: store.read_metadata("video"))
        aside.write_metadata("video", videos(("new", "1", "1")))
        news = counted.requests_of("one new commit", lambda: store.read_metadata("video"))
        found = counted.requests_of(
            "filtered read",
            lambda: polars(store.read_metadata("video", latest_only=False, filters=["id = 'new'"])),
        )
        whole = counted.requests_of("whole read", lambda: stored(store, "video", "id"))
        after_news = counted.requests_of(
            "append after another's was read",
            lambda: store.write_metadata("video", videos(("own", "1", "1"))),
        )
        append = counted.requests_of(
            "append", lambda: store.write_metadata("video", videos(("more", "1", "1")))
        )
        aside.write_metadata("video", videos(("newer", "1", "1")))
        behind = counted.requests_of(
            "append after another's", lambda: store.write_metadata("video", videos(("x", "1", "1")))
        )
        evolving = counted.requests_of(
            "append with a new column",
            lambda: store.write_metadata("video", videos(("y", "1", "1"), size=[1])),
        )
        keyed = counted.requests_of(
            "append with a key",
            lambda: store.write_metadata("video", videos(("z", "1", "1")), idempotency_key="k"),
        )
        again = counted.requests_of(
            "append with a known key",
            lambda: store.write_metadata("video", videos(("z", "1", "1")), idempotency_key="k"),
        )
        ended = counted.requests_of("resolve and write", lambda: update(store, "transcript"))

    assert first.total() <= 30
    assert same == {"LIST": 1}
    assert news == {"LIST": 1, "GET": 1}  # to see that there is one, and what it says
    assert found == {"LIST": 1, "GET": 1}
    assert whole.total() == 1 + 26  # a look, and the files
    assert after_news.total() <= 9  # 3 to take it in, and 6 of delta-rs
    assert append.total() <= 8  # 7: a look, and 6 of delta-rs
    assert append["PUT"] == 2
    assert behind.total() <= 10
    assert evolving.total() <= 8
    assert keyed.total() <= 25
    assert again.total() <= 16
    assert ended.total() <= 65


@pytest.mark.slow
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_opening_a_long_table_reads_a_checkpoint_and_what_came_after(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str
) -> None:
    """At 100 commits: not a request a commit, apart from the data files themselves."""
    counted = Counted(proxy, lake, lake.uri(prefix))
    store, aside = counted.store, counted.aside
    with aside.open("write"):
        for number in range(100):
            aside.write_metadata("video", videos((f"v{number}", "1", "1")))

    def opened() -> None:
        with store:
            store.read_metadata("video")

    def read() -> None:
        with store:
            assert len(stored(store, "video", "id")) == 100

    opening = counted.requests_of("open", opened)
    reading = counted.requests_of("open and read", read)

    assert opening.total() <= 40
    assert reading.total() - opening.total() <= 100 + 2


@pytest.mark.slow
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_the_state_of_twenty_features_is_known_soon(
    proxy: FaultProxy, lake: S3Endpoint, prefix: str
) -> None:
    """Each table is opened once; asking again costs a look at each, and the files."""
    names = [f"feature_{number}" for number in range(20)]
    graph = graph_of(feature(names[0]), *(feature(name, deps=[names[0]]) for name in names[1:]))
    counted = Counted(proxy, lake, lake.uri(prefix), graph=graph)
    store, aside = counted.store, counted.aside
    rows = pl.DataFrame({"id": ["a"], BY_FIELD: [{"default": "1"}]})
    with aside.open("write"):
        aside.write_metadata(names[0], rows)
        for name in names[1:]:
            assert update(aside, name) == [1, 0, 0]

    def ask() -> None:
        for name in names[1:]:
            assert store.resolve_update(name).is_empty

    with store:
        once = counted.requests_of("20 features", ask)
        again = counted.requests_of("20 features again", ask)
        listed = counted.requests_of("list", store.list_features)

    assert once.total() <= 20 * 10
    assert again.total() <= 19 * 4  # two looks and two files each
    assert listed.total() <= 1 + 20 * 2
