"""Records carried from old definitions to new ones, in every kind of lake."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import polars as pl
import pytest

from definitions import feature, graph_of
from films import ids, polars, stored, update, videos
from lake_rows import made_of
from lakes import Lake
from metaxy.errors import MetadataSchemaError, MigrationRefusedError
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.metadata_store.chain import Scan
from metaxy.migrations.carry_frames import Carrying
from metaxy.migrations.carrying import CarryResult, carry, plan_carrying
from metaxy.migrations.rollback import RollbackCounts, roll_back_feature
from metaxy.models.columns import ColumnSpec
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.keys import FeatureKey
from metaxy.models.lineage import Lineage

RUN = "migration:narrow"
VIDEOS = videos(("a", "a1", "f1"), ("b", "b1", "f1"), ("c", "c1", "f1"))


def _graph(*, audio_only: bool = False, code: str = "1") -> FeatureGraph:
    """A transcript of a video, at first from all of it, and a summary of the transcript."""
    fields = ["audio"] if audio_only else ["audio", "frames"]
    return graph_of(
        feature("video", fields=["audio", "frames"]),
        feature(
            "transcript",
            deps=["video"],
            fields=[FieldSpec("default", code, deps=[FieldDep("video", fields)])],
        ),
        feature("summary", deps=["transcript"]),
    )


OLD, NEW = _graph(), _graph(audio_only=True)


def _chunks(*fields: str) -> FeatureGraph:
    """Chunks of a video, made from some of its fields."""
    return graph_of(
        feature("video", fields=["audio", "frames"]),
        feature(
            "chunk",
            ids=("id", "chunk"),
            deps=[FeatureDep("video", lineage=Lineage.expansion(on=["id"]))],
            fields=[FieldSpec("default", deps=[FieldDep("video", fields)])],
        ),
    )


def _expand(store: MetadataStore, **chunks: str) -> None:
    """Write some of the videos that are due, with the chunks named by the letters of a text."""
    found = store.resolve_update("chunk")
    due = pl.concat([polars(found.added), polars(found.changed)], how="diagonal_relaxed").filter(
        pl.col("id").is_in(list(chunks))
    )
    due = due.select(polars(found.added).columns)
    names = pl.DataFrame(
        [(video, chunk) for video, names in chunks.items() for chunk in names],
        schema={"id": pl.String, "chunk": pl.String},
        orient="row",
    )
    store.write_metadata("chunk", due.join(names, on="id"), expanded_parents=due)


def _asked(
    key: str, old: FeatureGraph = OLD, new: FeatureGraph = NEW, *, assume_same_result: bool = False
) -> Carrying:
    return Carrying(
        feature=FeatureKey(key),
        old=old,
        new=new,
        run=RUN,
        carried=frozenset(map(FeatureKey, ["transcript", "summary"])),
        assume_same_result=assume_same_result,
    )


def _filled(lake: Lake, *, keys: Sequence[str] = ("transcript", "summary")) -> MetadataStore:
    """A store of the old graph in which everything is up to date."""
    store = lake.store(graph=OLD)
    with store.open("write"):
        store.write_metadata("video", VIDEOS)
        for key in keys:
            update(store, key)
    return store


def _counts(result: CarryResult) -> tuple[int, int, int, int]:
    return result.in_sync, result.out_of_date, result.orphaned, result.already


def _answer(store: MetadataStore, key: str) -> tuple[list[str], list[str], list[str]]:
    found = store.resolve_update(key)
    return ids(found.added), ids(found.changed), ids(found.removed)


def test_after_a_refactoring_nothing_is_left_to_compute(lake: Lake) -> None:
    """The carried records have the provenance that the new definitions expect."""
    _filled(lake)
    with lake.store(graph=NEW).open("write") as store:
        before = _answer(store, "transcript")
        results = [carry(store, _asked(key)) for key in ("transcript", "summary")]

        assert before == (["a", "b", "c"], [], [])
        assert [_counts(each) for each in results] == [(3, 0, 0, 0)] * 2
        assert _answer(store, "transcript") == _answer(store, "summary") == ([], [], [])
        rows = polars(store.read_metadata("transcript")).sort("id")
    transcript = [made_of(("video.audio", f"{each}1")) for each in "abc"]
    assert [row["default"] for row in rows["metaxy_provenance_by_field"]] == transcript
    assert rows["metaxy_data_version_by_field"].equals(rows["metaxy_provenance_by_field"])
    assert rows["metaxy_materialization_id"].to_list() == [RUN] * 3


def test_what_is_out_of_date_stays_so(lake: Lake) -> None:
    """Also where the new definition wouldn't have seen the change; a plan tells it beforehand."""
    with _filled(lake).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1"), ("b", "b1", "f2")))
    with lake.store(graph=NEW).open("write") as store:
        plan = plan_carrying(store, _asked("transcript"))
        result = carry(store, _asked("transcript"))

        assert (plan.records, plan.in_sync, plan.out_of_date, plan.to_append) == (3, 1, 2, 3)
        assert plan.out_of_date_examples == ("id='a'", "id='b'")
        assert _counts(result) == (1, 2, 0, 0)
        assert _answer(store, "transcript") == ([], ["a", "b"], [])


def test_a_record_whose_upstream_is_gone_is_still_to_be_removed(lake: Lake) -> None:
    """It is carried as it is, and counted apart."""
    with _filled(lake).open("write") as store:
        store.delete_metadata("video", ["id = 'b'"])
    with lake.store(graph=NEW).open("write") as store:
        assert plan_carrying(store, _asked("transcript")).orphaned == 1
        assert _counts(carry(store, _asked("transcript"))) == (2, 0, 1, 0)
        assert _answer(store, "transcript") == ([], [], ["b"])


def test_what_users_wrote_is_kept(lake: Lake) -> None:
    """Columns, and data versions of their own; those that follow the provenance follow it on."""
    with _filled(lake, keys=()).open("write") as store:
        due = polars(store.resolve_update("transcript").added).sort("id")
        own = pl.Series([{"default": "mine"}, {"default": None}, {"default": ""}])
        told = due.with_columns(text=pl.lit("Hello"), metaxy_data_version_by_field=own)
        store.write_metadata("transcript", told, "whisper-7")
    with lake.store(graph=NEW).open("write") as store:
        carry(store, _asked("transcript"))
        rows = polars(store.read_metadata("transcript")).sort("id")

    assert rows["text"].to_list() == ["Hello"] * 3
    versions = [row["default"] for row in rows["metaxy_data_version_by_field"]]
    assert versions == ["mine", made_of(("video.audio", "b1")), ""]


def test_a_second_run_appends_nothing(lake: Lake) -> None:
    """Not even where records are out of date."""
    with _filled(lake).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1")))
    with lake.store(graph=NEW).open("write") as store:
        first, second = (carry(store, _asked("transcript")) for _ in range(2))

        assert (first.rows, second.rows) == (3, 0)
        assert _counts(second) == (0, 0, 0, 3)
        plan = plan_carrying(store, _asked("transcript"))
        assert (plan.already, plan.to_append) == (3, 0)


def test_what_the_old_code_writes_later_is_carried_by_another_run(lake: Lake) -> None:
    """New records, and rewritten ones."""
    _filled(lake)
    with lake.store(graph=NEW).open("write") as store:
        carry(store, _asked("transcript"))
    with lake.store(graph=OLD).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1"), ("d", "d1", "f1")))
        assert update(store, "transcript") == [1, 1, 0]
    with lake.store(graph=NEW).open("write") as store:
        assert _counts(carry(store, _asked("transcript"))) == (2, 0, 0, 2)
        assert _answer(store, "transcript") == ([], [], [])


def test_what_the_new_code_has_written_is_not_overwritten(lake: Lake) -> None:
    """A record computed anew, and one that was deleted."""
    _filled(lake)
    with lake.store(graph=NEW).open("write") as store:
        due = polars(store.resolve_update("transcript").added)
        mine = due.filter(pl.col("id") != "c").with_columns(text=pl.lit("new"))
        store.write_metadata("transcript", mine)
        store.delete_metadata("transcript", ["id = 'b'"])

        assert _counts(carry(store, _asked("transcript"))) == (1, 0, 0, 2)
        assert stored(store, "transcript", "id", "text") == [("a", "new"), ("c", None)]


def test_what_was_made_from_a_stale_record_is_not_taken_for_one_of_the_fresh_record(
    lake: Lake,
) -> None:
    """The summary of the old transcript isn't that of the one computed after the migration."""
    with _filled(lake).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1")))
    with lake.store(graph=NEW).open("write") as store:
        carry(store, _asked("transcript"))
        assert update(store, "transcript") == [0, 1, 0]
        assert _counts(carry(store, _asked("summary"))) == (3, 0, 0, 0)

        assert _answer(store, "summary") == ([], ["a"], [])


def test_what_was_made_from_a_later_upstream_record_waits_for_it(lake: Lake) -> None:
    """The old code has gone on between two steps of the migration: that is computed once more."""
    _filled(lake)
    with lake.store(graph=NEW).open("write") as store:
        carry(store, _asked("transcript"))
    with lake.store(graph=OLD).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1")))
        assert [update(store, key) for key in ("transcript", "summary")] == [[0, 1, 0]] * 2
    with lake.store(graph=NEW).open("write") as store:
        assert _counts(carry(store, _asked("summary"))) == (2, 1, 0, 0)
        assert _answer(store, "transcript") == _answer(store, "summary") == ([], ["a"], [])
        assert [carry(store, _asked(key)).rows for key in ("transcript", "summary")] == [1, 0]
        assert _answer(store, "transcript") == ([], [], [])
        assert _answer(store, "summary") == ([], ["a"], [])


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_was_made_from_a_record_of_another_run_is_not_taken_for_made_without_it(
    lake: Lake, *, is_gone: bool
) -> None:
    """A day had that transcript, and a report, too: deleted, it makes both out of date."""
    old, new = _of_days(), _of_days(audio_only=True)
    with lake.store(graph=old).open("write") as store:
        store.write_metadata("video", VIDEOS.with_columns(day=pl.lit("Monday"), n=1))
        for key in ("transcript", "day", "report"):
            update(store, key)
    with lake.store(graph=new).open("write") as store:
        due = polars(store.resolve_update("transcript").added)
        store.write_metadata("transcript", due.filter(pl.col("id") == "b"))
        if is_gone:
            store.delete_metadata("transcript", ["id = 'b'"])
        results = [
            carry(store, replace(_asked(key, old, new), carried=frozenset(new)))
            for key in ("transcript", "day", "report")
        ]
        store.delete_metadata("transcript", ["id = 'b'"])
        days, reports = (store.resolve_update(key) for key in ("day", "report"))

    assert [_counts(each) for each in results] == [(2, 0, 0, 1), (0, 1, 0, 0), (2, 1, 0, 0)]
    assert polars(days.changed)["day"].to_list() == ["Monday"]
    assert (ids(reports.added), ids(reports.changed), ids(reports.removed)) == ([], ["b"], [])


def test_a_group_that_a_backfill_adds_to_is_out_of_date(lake: Lake) -> None:
    """The record that it added was in no group that anything was made from."""
    old, new = _of_days(), _of_days(audio_only=True)
    with lake.store(graph=old).open("write") as store:
        store.write_metadata("video", VIDEOS.with_columns(day=pl.lit("Monday"), n=1))
        for key in ("transcript", "day"):
            update(store, key)
    with lake.store(graph=new).open("write") as store:
        more = videos(("d", "d1", "f1")).with_columns(day=pl.lit("Monday"), n=1)
        store.write_metadata("video", more)
        store.write_metadata("transcript", polars(store.resolve_update("transcript").added), RUN)
        asked = replace(_asked("day", old, new), carried=frozenset(new))

        assert _counts(carry(store, asked)) == (1, 0, 0, 0)
        assert polars(store.resolve_update("day").changed)["day"].to_list() == ["Monday"]


def test_what_happens_between_two_looks_at_an_upstream_blesses_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old code writes a transcript again, and another run carries it."""
    _filled(lake)
    with lake.store(graph=NEW).open("write") as store:
        carry(store, _asked("transcript"))
        scan_chain, looks = store.scan_chain, list[str]()

        def scanned_while_others_write(key: FeatureKey, feature_version: str | None) -> Scan | None:
            scan = scan_chain(key, feature_version)
            looks.append(str(key))
            if looks == ["transcript"]:
                with lake.store(graph=OLD).open("write") as others:
                    others.write_metadata("video", videos(("a", "a2", "f1")))
                    update(others, "transcript")
                with lake.store(graph=NEW).open("write") as others:
                    carry(others, _asked("transcript"))
            return scan

        monkeypatch.setattr(store, "scan_chain", scanned_while_others_write)
        carry(store, _asked("summary"))
        monkeypatch.undo()

        assert looks.count("transcript") == 2
        assert _answer(store, "transcript") == ([], [], [])
        assert _answer(store, "summary") == ([], ["a"], [])


def test_what_is_made_from_records_of_a_fallback_waits_for_its_migration(lake: Lake) -> None:
    """Carried before, nothing of it would be expected; the plan says so, too."""
    behind = lake.another()
    _filled(behind, keys=["transcript"])
    with lake.store(graph=OLD, fallback_stores=[behind.store(graph=OLD)]).open("write") as store:
        update(store, "summary")
    with lake.store(graph=NEW, fallback_stores=[behind.store(graph=NEW)]).open("write") as store:
        plan = plan_carrying(store, _asked("summary"))
        with pytest.raises(MigrationRefusedError, match="Apply the migration there first") as no:
            carry(store, _asked("summary"))
        assert no.value.reasons == plan.refusals
    with behind.store(graph=NEW).open("write") as store:
        carry(store, _asked("transcript"))
    with lake.store(graph=NEW, fallback_stores=[behind.store(graph=NEW)]).open("write") as store:
        assert _counts(carry(store, _asked("summary"))) == (3, 0, 0, 0)
        assert _answer(store, "summary") == ([], [], [])


def test_a_new_upstream_must_have_been_computed(lake: Lake) -> None:
    """Else all records would be reported as removed, and be computed again later."""
    new = graph_of(
        feature("video", fields=["audio", "frames"]),
        feature("voice", deps=["video"]),
        feature("transcript", deps=["video", "voice"]),
    )
    _filled(lake)
    with lake.store(graph=new).open("write") as store:
        asked = replace(
            _asked("transcript", new=new), carried=frozenset([FeatureKey("transcript")])
        )
        with pytest.raises(MigrationRefusedError, match="Compute 'voice' first"):
            carry(store, asked)
        update(store, "voice")
        assert _counts(carry(store, asked)) == (3, 0, 0, 0)
        assert _answer(store, "transcript") == ([], [], [])


def test_two_at_once_write_each_record_once(versioned_lake: Lake) -> None:
    """Each works its rows out from the version that it appends to."""
    _filled(versioned_lake)

    def carried(_: int) -> int:
        with versioned_lake.store(graph=NEW).open("write") as store:
            return carry(store, _asked("transcript")).rows

    with ThreadPoolExecutor(4) as pool:
        rows = sorted(pool.map(carried, range(4)))
    with versioned_lake.store(graph=NEW).open("read") as store:
        history = polars(store.read_metadata("transcript", latest_only=False))

    assert rows == [0, 0, 0, 3]
    assert history.height == 3


def test_a_root_is_carried_as_it_is(lake: Lake) -> None:
    """Its provenance is what the samples said."""
    old = graph_of(feature("video", fields=["audio", "frames"]))
    new = graph_of(feature("video", fields=[FieldSpec("audio", "2"), FieldSpec("frames")]))
    with lake.store(graph=old).open("write") as store:
        store.write_metadata("video", VIDEOS)
    asked = _asked("video", old, new, assume_same_result=True)
    with lake.store(graph=new).open("write") as store:
        assert _counts(carry(store, asked)) == (3, 0, 0, 0)
        found = store.resolve_update("video", samples=VIDEOS)

    assert (ids(found.added), ids(found.changed), ids(found.removed)) == ([], [], [])


def test_fields_may_come_go_and_be_renamed(lake: Lake) -> None:
    """Each field of the new definition has the provenance that it expects."""
    new = graph_of(
        feature("video", fields=["audio", "frames"]),
        feature(
            "transcript",
            deps=["video"],
            fields=[
                FieldSpec("text", deps=[FieldDep("video", ["audio"])]),
                FieldSpec("faces", deps=[FieldDep("video", ["frames"])]),
            ],
        ),
    )
    with _filled(lake).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1")))
    with lake.store(graph=new).open("write") as store:
        assert _counts(carry(store, _asked("transcript", new=new))) == (2, 1, 0, 0)
        assert _answer(store, "transcript") == ([], ["a"], [])


def test_children_are_carried_with_their_parents(lake: Lake) -> None:
    """Those of a parent together; a parent without children stays known to have none."""
    old, new = _chunks("audio", "frames"), _chunks("audio")
    with lake.store(graph=old).open("write") as store:
        store.write_metadata("video", VIDEOS)
        due = polars(store.resolve_update("chunk").added)
        children = due.filter(pl.col("id") != "c").join(
            pl.DataFrame({"chunk": ["1", "2"]}), how="cross"
        )
        store.write_metadata("chunk", children, expanded_parents=due)
        store.write_metadata("video", videos(("b", "b2", "f1")))
    asked = _asked("chunk", old, new)
    with lake.store(graph=new).open("write") as store:
        result = carry(store, asked)
        assert (result.rows, _counts(result)) == (5, (2, 2, 0, 0))
        assert _answer(store, "chunk") == ([], ["b"], [])
        assert stored(store, "chunk", "id", "chunk") == [
            (video, chunk) for video in "ab" for chunk in "12"
        ]
        assert carry(store, asked).rows == 0


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (_graph(code="2"), "(field 'default': code version: '1' -> '2')"),
        (
            graph_of(
                feature("video", fields=["audio", "frames"]),
                feature("transcript", fields=["default"]),
            ),
            "'transcript' was made from others and is a root now.",
        ),
        (
            graph_of(
                feature("video", fields=["audio", "frames"]),
                feature(
                    "transcript",
                    ids=("name",),
                    deps=[FeatureDep("video", rename={"id": "name"})],
                ),
            ),
            "(id columns: id -> name)",
        ),
    ],
)
def test_a_change_that_may_have_an_effect_is_refused(
    lake: Lake, new: FeatureGraph, reason: str
) -> None:
    """Unless the user says that it has none; nothing is written."""
    _filled(lake)
    with lake.store(graph=new).open("write") as store:
        asked = _asked("transcript", new=new)
        plan = plan_carrying(store, asked)
        with pytest.raises(MigrationRefusedError) as refused:
            carry(store, asked)

        assert not store.read_metadata("transcript").collect().to_native().height
    assert any(reason in each and "assume_same_result" in each for each in plan.refusals)
    assert set(refused.value.reasons) <= set(plan.refusals)


def _of_days(
    n: int = 0, *, audio_only: bool = False, names: tuple[str, str] = ("x", "y")
) -> FeatureGraph:
    """Features that a record of is made from several records of another, or maybe from none.

    Args:
        n: What the `n` of a transcript, or of a video, must be greater than.
        audio_only: Whether transcripts are made from the audio only.
        names: What a match calls the ids of a pair.
    """
    fields = ["audio"] if audio_only else ["audio", "frames"]
    chosen = [f"n > {n}"]
    return graph_of(
        feature("video", fields=["audio", "frames"]),
        feature(
            "transcript",
            deps=["video"],
            fields=[FieldSpec("default", deps=[FieldDep("video", fields)])],
        ),
        feature(
            "day",
            ids=("day",),
            deps=[
                FeatureDep("transcript", filters=chosen, lineage=Lineage.aggregation(on=["day"]))
            ],
        ),
        feature(
            "report",
            deps=["video", FeatureDep("transcript", columns=(), filters=chosen, optional=True)],
        ),
        feature("clip", deps=[FeatureDep("video", filters=chosen)]),
        feature("pair", ids=("a", "b")),
        feature(
            "match",
            ids=("x", "y"),
            deps=[FeatureDep("pair", rename=dict(zip("ab", names, strict=True)))],
        ),
    )


@pytest.mark.parametrize(
    ("key", "new", "reason"),
    [
        ("day", _of_days(1), "(dependency on 'transcript': filters: n > 0 -> n > 1)"),
        ("report", _of_days(1), "(dependency on 'transcript': filters: n > 0 -> n > 1)"),
        ("clip", _of_days(1), None),
        (
            "match",
            _of_days(names=("y", "x")),
            "(dependency on 'pair': rename: a as x, b as y -> b as x, a as y)",
        ),
    ],
)
def test_records_made_from_other_records_now_are_refused(
    key: str, new: FeatureGraph, reason: str | None
) -> None:
    """A group has other members; a record that lacked an upstream has it. Not: fewer records."""
    asked = _asked(key, _of_days(), new)

    assert [reason in each for each in asked.refusals if reason] == ([True] if reason else [])
    assert len(asked.refusals) == (reason is not None)
    assert not replace(asked, assume_same_result=True).refusals


def test_a_word_of_the_user_is_enough_for_another_code_version(lake: Lake) -> None:
    """What is out of date isn't made better by it."""
    new = _graph(code="2")
    with _filled(lake).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1")))
    with lake.store(graph=new).open("write") as store:
        asked = _asked("transcript", new=new, assume_same_result=True)

        assert _counts(carry(store, asked)) == (2, 1, 0, 0)
        assert _answer(store, "transcript") == ([], ["a"], [])


def test_no_word_of_the_user_helps_where_there_is_no_way(lake: Lake) -> None:
    """Fields of a root, ids that no column has, an upstream that is computed again."""
    root = graph_of(feature("video", fields=["sound"]))
    renamed = graph_of(
        feature("video", fields=["audio", "frames"]),
        feature("transcript", ids=("name",), deps=[FeatureDep("video", rename={"id": "name"})]),
    )
    alone = replace(_asked("summary"), carried=frozenset())
    _filled(lake)
    with lake.store(graph=NEW).open("write") as store:
        for asked, words in [
            (_asked("video", new=root), "had the fields 'audio', 'frames' and has 'sound' now"),
            (_asked("transcript", new=renamed), "are named by 'name' now"),
            (alone, "'summary' is made from 'transcript', which"),
            (_asked("summary", new=root), "'summary' is not in the new graph"),
        ]:
            with pytest.raises(MigrationRefusedError) as refused:
                carry(store, replace(asked, assume_same_result=True))
            assert words in str(refused.value)


def test_records_that_break_the_new_definition_are_refused_as_any_write_is(lake: Lake) -> None:
    """A column that must not be null now, and is."""
    _filled(lake)
    column = ColumnSpec("language", "string", nullable=False)
    new = FeatureGraph.from_definitions(
        replace(each, columns=(column,)) if each.key == FeatureKey("transcript") else each
        for each in NEW.definitions.values()
    )
    with lake.store(graph=new).open("write") as store:
        with pytest.raises(MetadataSchemaError, match="language"):
            carry(store, _asked("transcript", new=new))
        assert _answer(store, "transcript") == (["a", "b", "c"], [], [])


# --- taken back ----------------------------------------------------------------------------------


def _undone(store: MetadataStore, key: str = "transcript") -> RollbackCounts:
    return roll_back_feature(store, FeatureKey(key), tag="before", run=RUN, graph=store.graph)


def test_a_rollback_ends_what_was_carried(versioned_lake: Lake) -> None:
    """Old readers see what they saw, new ones nothing; carried again, all is there again."""
    _filled(versioned_lake)
    with versioned_lake.store(graph=NEW).open("write") as store:
        store.tag("before")
        carry(store, _asked("transcript"))
        assert _undone(store) == RollbackCounts(ended=3)
        assert _undone(store) == RollbackCounts()
        assert stored(store, "transcript", "id") == []
        assert _answer(store, "transcript") == (["a", "b", "c"], [], [])
    with versioned_lake.store(graph=OLD).open("read") as store:
        assert _answer(store, "transcript") == ([], [], [])
    with versioned_lake.store(graph=NEW).open("write") as store:
        assert _counts(carry(store, _asked("transcript"))) == (3, 0, 0, 0)
        assert _answer(store, "transcript") == ([], [], [])


def test_a_rollback_leaves_what_others_have_written_since(versioned_lake: Lake) -> None:
    """It is counted."""
    with _filled(versioned_lake).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1")))
    with versioned_lake.store(graph=NEW).open("write") as store:
        store.tag("before")
        carry(store, _asked("transcript"))
        update(store, "transcript")

        assert _undone(store) == RollbackCounts(ended=2, kept=1)
        assert stored(store, "transcript", "id") == ["a"]


def test_a_rollback_restores_what_was_overwritten(versioned_lake: Lake) -> None:
    """A backfill into the same feature version; a record that it added ends."""
    with _filled(versioned_lake).open("write") as store:
        store.tag("before")
        more = videos(("a", "zz", "zz"), ("d", "d1", "f1"), note=["x", "x"])
        store.write_metadata("video", more, RUN)
        before = _answer(store, "transcript")

        assert _undone(store, "video") == RollbackCounts(restored=1, ended=1)
        assert before == (["d"], ["a"], [])
        assert _answer(store, "transcript") == ([], [], [])
        assert stored(store, "video", "id") == ["a", "b", "c"]


def test_what_was_taken_back_can_be_carried_by_another_migration(versioned_lake: Lake) -> None:
    """The corrected one has an id of its own."""
    _filled(versioned_lake)
    with versioned_lake.store(graph=NEW).open("write") as store:
        store.tag("before")
        carry(store, _asked("transcript"))
        _undone(store)
        second = replace(_asked("transcript"), run="migration:narrow-2")

        assert _counts(carry(store, second)) == (3, 0, 0, 0)
        assert _answer(store, "transcript") == ([], [], [])


def test_what_was_restored_is_carried_again(versioned_lake: Lake) -> None:
    """It is older than what is carried, though it was written again later."""
    with versioned_lake.store(graph=NEW).open("write") as store:
        store.write_metadata("video", VIDEOS)
        update(store, "transcript")
    with versioned_lake.store(graph=OLD).open("write") as store:
        store.write_metadata("video", videos(("a", "a2", "f1")))
        update(store, "transcript")
    with versioned_lake.store(graph=NEW).open("write") as store:
        store.tag("before")
        carry(store, _asked("transcript"))
        assert [_undone(store) for _ in range(2)] == [
            RollbackCounts(restored=3),
            RollbackCounts(),
        ]
        assert _answer(store, "transcript") == ([], ["a"], [])

        assert _counts(carry(store, _asked("transcript"))) == (3, 0, 0, 0)
        assert _answer(store, "transcript") == ([], [], [])


def test_a_rollback_leaves_what_has_been_expanded_anew(versioned_lake: Lake) -> None:
    """Also where the new expansion of a parent has fewer children, or none."""
    old, new = _chunks("audio", "frames"), _chunks("audio")
    with versioned_lake.store(graph=old).open("write") as store:
        store.write_metadata("video", VIDEOS)
        _expand(store, a="12", b="12", c="12")
    with versioned_lake.store(graph=new).open("write") as store:
        store.tag("before")
        carry(store, _asked("chunk", old, new))
        store.write_metadata("video", videos(("a", "a2", "f1"), ("b", "b2", "f1")))
        _expand(store, a="1", b="")

        assert _undone(store, "chunk") == RollbackCounts(ended=2, kept=4)
        assert stored(store, "chunk", "id", "chunk") == [("a", "1")]
        assert _answer(store, "chunk") == (["c"], [], [])
        assert _undone(store, "chunk") == RollbackCounts(kept=4)


def test_a_rollback_restores_the_expansions_that_were_superseded(versioned_lake: Lake) -> None:
    """With the children that they had, if any."""
    old, new = _chunks("audio", "frames"), _chunks("audio")
    with versioned_lake.store(graph=new).open("write") as store:
        store.write_metadata("video", VIDEOS)
        _expand(store, a="12", b="", c="12")
    with versioned_lake.store(graph=old).open("write") as store:
        store.write_metadata("video", videos(*((each, f"{each}2", "f1") for each in "abc")))
        _expand(store, a="123", b="1", c="")
    with versioned_lake.store(graph=new).open("write") as store:
        store.tag("before")
        before = _answer(store, "chunk"), stored(store, "chunk", "id", "chunk")
        carry(store, _asked("chunk", old, new))
        assert _answer(store, "chunk") == ([], [], [])
        _undone(store, "chunk")

        assert before[0] == ([], ["a", "b", "c"], [])
        assert (_answer(store, "chunk"), stored(store, "chunk", "id", "chunk")) == before
        assert _undone(store, "chunk") == RollbackCounts()


def test_a_rollback_restores_rows_of_before_the_table_had_more_fields(
    versioned_lake: Lake,
) -> None:
    """Those of a later definition, written while the migration ran."""
    wide = graph_of(feature("video", fields=["audio", "frames", "text"]))
    with _filled(versioned_lake).open("write") as store:
        store.tag("before")
        store.write_metadata("video", videos(("a", "zz", "zz"), ("d", "d1", "f1")), RUN)
    with versioned_lake.store(graph=wide).open("write") as store:
        versions = [{"audio": "1", "frames": "1", "text": "1"}]
        store.write_metadata(
            "video", pl.DataFrame({"id": ["a"], "metaxy_provenance_by_field": versions})
        )
    with versioned_lake.store(graph=OLD).open("write") as store:
        assert _undone(store, "video") == RollbackCounts(restored=1, ended=1)
        assert stored(store, "video", "id") == ["a", "b", "c"]
        assert _answer(store, "transcript") == ([], [], [])
