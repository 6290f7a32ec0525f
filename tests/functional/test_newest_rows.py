"""The newest row of each id, told from the log or from the rows, whatever happened to a table.

The log says which instants a table has, which spares a search. Here real tables go through random
histories, other programs' commits among them, and both ways must give what a plain dictionary says.
"""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from films import films, polars, videos
from metaxy.metadata_store.delta import DeltaMetadataStore
from metaxy.metadata_store.tables import DeltaTables
from metaxy.versioning.latest import current_records

IDS = st.lists(st.sampled_from("abc"), min_size=1, unique=True)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), IDS),
        st.tuples(st.sampled_from(["delete", "hard delete"]), IDS),
        st.tuples(st.just("old version"), IDS),
        st.tuples(st.just("foreign"), IDS),
        st.tuples(st.sampled_from(["drop", "compact", "race", "checkpoint"]), st.just(["a"])),
    ),
    min_size=1,
    max_size=7,
)


class History:
    """A table beside a dictionary of what it should hold."""

    def __init__(self, root: Path) -> None:
        self.store = DeltaMetadataStore(root, graph=films())
        self.old = DeltaMetadataStore(root, graph=films(video="0"))
        self.records: dict[str, int] = {}
        self.step = 0

    def apply(self, step: str, ids: list[str]) -> None:
        """Do one step to both."""
        self.step += 1
        if step == "write":
            self._write(self.store, ids)
            self.records |= dict.fromkeys(ids, self.step)
        elif step == "old version":
            self._write(self.old, ids)
        elif step == "delete":
            self.store.delete_metadata("video", [pl.col("id").is_in(ids)])
            self.records = {each: n for each, n in self.records.items() if each not in ids}
        elif step == "hard delete":
            self.store.delete_metadata("video", [pl.col("id").is_in(ids)], soft=False)
            self.records = {each: n for each, n in self.records.items() if each not in ids}
        elif step == "drop":
            self.store.drop_feature_metadata("video")
            self.records = {}
        elif self._table() is not None:
            getattr(self, f"_{step}")(ids)

    def _write(self, store: DeltaMetadataStore, ids: list[str]) -> None:
        rows = videos(*((each, str(self.step), "1") for each in ids), n=[self.step] * len(ids))
        store.write_metadata("video", rows)

    def _table(self) -> DeltaTable | None:
        path = self.store.table_path("video")
        return DeltaTable(path) if DeltaTable.is_deltatable(path) else None

    def _foreign(self, ids: list[str]) -> None:
        """Another program copies rows of this version, with instants of its own: hours ahead."""
        rows = polars(self.store.read_metadata("video", latest_only=False))
        known = rows.filter(pl.col("id").is_in(ids)).unique("id", keep="any")
        ahead = rows["metaxy_created_at"].max()
        if known.is_empty() or not isinstance(ahead, datetime):
            return
        copied = known.with_columns(
            pl.lit(ahead + timedelta(hours=1)).dt.cast_time_unit("us").alias("metaxy_created_at"),
            pl.lit(None, pl.Datetime("us", "UTC")).alias("metaxy_deleted_at"),
            pl.lit(self.step, pl.Int64).alias("n"),
        )
        write_deltalake(self.store.table_path("video"), copied, mode="append", schema_mode="merge")
        self.records |= dict.fromkeys(known["id"].to_list(), self.step)

    def _compact(self, ids: list[str]) -> None:
        del ids
        DeltaTable(self.store.table_path("video")).optimize.compact()

    def _checkpoint(self, ids: list[str]) -> None:
        del ids
        DeltaTable(self.store.table_path("video")).create_checkpoint()

    def _race(self, ids: list[str]) -> None:
        """Two writers saw the same table; the one that commits last has the earlier instant."""
        path = self.store.table_path("video")
        attempt = DeltaTables._attempt

        def beaten(*arguments: Any) -> Any:
            patched.undo()
            self._write(self.store, ids)
            return attempt(*arguments)

        earlier = self.step
        self.step += 1
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(DeltaTables, "_attempt", beaten)
            self.store.write_metadata("video", videos((ids[0], "first", "1"), n=[earlier]))
        newest = pl.scan_delta(path).filter(pl.col("id") == ids[0]).sort("metaxy_created_at")
        self.records[ids[0]] = newest.collect()["n"].to_list()[-1]


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_the_log_and_the_rows_tell_the_same(steps: list[tuple[str, list[str]]]) -> None:
    """With the log's hint, without it, and by hand; instants never go back."""
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        with history.store.open("write"), history.old.open("write"):
            for step, ids in steps:
                if step != "drop" or history.store.has_feature("video"):
                    history.apply(step, ids)
            key = history.store.graph.definition("video").key
            version = history.store.feature_version("video")
            scan = history.store.scan_in_store(key, version)
            if scan is None:
                assert history.records == {}
                return
            hinted, plain = (
                current_records(scan.frame, id_columns=["id"], instants=instants).collect()
                for instants in (scan.instants, None)
            )
            before = scan.frame.select(pl.col("metaxy_created_at").max()).collect().item()
            if history.records:
                history.apply("write", ["a"])
                after = polars(history.store.read_metadata("video", filters=["id = 'a'"]))
                assert after["metaxy_created_at"].item() > before
                assert after["n"].item() == history.step
                del history.records["a"]

    for told in (hinted, plain):
        rows = told.filter(pl.col("id").is_in(list(history.records)))
        assert dict(rows.select("id", "n").iter_rows()) == history.records
    assert hinted.sort("id").equals(plain.sort("id"))


def test_the_log_gives_no_hint_where_it_cannot(tmp_path: Path) -> None:
    """As long as every commit is ours it does; after another program's append it doesn't."""
    history = History(tmp_path)
    with history.store.open("write"):
        for step in ("write", "write", "compact"):
            history.apply(step, ["a"])
        key = history.store.graph.definition("video").key
        version = history.store.feature_version("video")
        ours = history.store.scan_in_store(key, version)
        history.apply("foreign", ["a"])
        others = history.store.scan_in_store(key, version)

    assert ours is not None
    assert len(ours.instants or ()) == 2
    assert others is not None
    assert others.instants is None
