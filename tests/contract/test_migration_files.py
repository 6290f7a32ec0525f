"""What changed since the last push, the file that is written for it, and what is wrong with files.

On lakes of every kind.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from definitions import feature, graph_of
from films import update, videos
from lakes import Lake, delta_lake
from metaxy.errors import (
    MigrationError,
    MigrationFileError,
    MigrationRefusedError,
    SystemDataNotFoundError,
)
from metaxy.graph.graph import FeatureGraph
from metaxy.metadata_store.base import MetadataStore
from metaxy.migrations import (
    BaseOperation,
    DataVersionReconciliation,
    DiffMigration,
    FullGraphMigration,
    MetadataBackfill,
    Migration,
    check_migrations,
    detect_changes,
    detect_diff_migration,
    detect_feature_changes,
    generate_migration,
)
from metaxy.migrations import generate as generating
from metaxy.migrations.generate import draft_migration, why_nothing
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldDep, FieldSpec
from metaxy.models.keys import FeatureKey
from metaxy.models.lineage import Lineage

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
TODO = "TODO: why are the results the same?"
REMEDY = (
    "Leave the operation out, so that its records are computed again; or, if you know that the "
    "results are the same, say assume_same_result: true."
)


class Import(MetadataBackfill):
    """Records from a bucket."""

    bucket: str
    prefix: str = ""

    def execute(self, store: MetadataStore, **options: Any) -> int:
        """Nothing is written."""
        del store, options
        return 0


def speech(
    *audio: str,
    code: str = "1",
    note: str | None = None,
    field: str = "text",
    extra: bool = False,
) -> FeatureGraph:
    """A video, what is said in it, by whom, and when; from the given fields of the video."""
    parts = list(audio or ("audio", "frames"))
    stt = FieldSpec(field, code_version=code, deps=[FieldDep("video", fields=parts)])
    more = [feature("alone", description="New")] if extra else []
    return graph_of(
        feature("video", fields=["audio", "frames"]),
        feature("speech/text", deps=["video"], description=note, fields=[stt]),
        feature("speech/speakers", deps=["speech/text"], fields=["who"]),
        feature("speech/times", deps=["speech/speakers", "video"], fields=["when"]),
        *more,
    )


def pushed(lake: Lake, *graphs: FeatureGraph) -> list[str]:
    """Push graphs one after the other; their snapshot versions."""
    versions: list[str] = []
    for graph in graphs:
        with lake.store(graph=graph).open("write") as store:
            versions.append(store.record_feature_graph_snapshot("films").snapshot_version)
    return versions


def test_a_change_is_told_with_what_follows(lake: Lake) -> None:
    """Which feature changed, how, and through which fields others are affected."""
    (before,) = pushed(lake, speech())
    store = lake.store(graph=speech("audio"))
    found = detect_changes(store)

    assert (found.project, found.from_snapshot_version) == ("films", before)
    assert found.to_snapshot_version == speech("audio").snapshot_version
    assert [str(each) for each in detect_feature_changes(store)] == [
        "speech/text (dependency)\n"
        "  field 'text': field parents: video.audio, video.frames -> video.audio"
    ]
    assert [(str(each.feature), str(each)) for each in found.downstream] == [
        (
            "speech/speakers",
            "Follows from speech/text: field 'who' through speech/text.text.",
        ),
        (
            "speech/times",
            "Follows from speech/speakers: field 'when' through speech/speakers.who.",
        ),
    ]
    assert [str(key) for key in found.affected] == [
        "speech/text",
        "speech/speakers",
        "speech/times",
    ]
    assert set(found.refusals().values()) == {()}


def test_the_newest_push_counts(lake: Lake) -> None:
    """A, B, A: against the code A nothing changed; against the code B, A is what was before."""
    a, b, again = pushed(lake, speech(), speech("audio"), speech())
    assert a == again

    assert detect_feature_changes(lake.store(graph=speech())) == ()
    found = detect_changes(lake.store(graph=speech("audio")))
    assert (found.from_snapshot_version, found.to_snapshot_version) == (a, b)


def test_any_two_snapshots_are_compared(lake: Lake) -> None:
    """By the beginnings of their versions; the classes of neither are needed."""
    a, b = pushed(lake, speech(), speech("audio"))
    store = lake.store(graph=speech("frames"))
    found = detect_changes(store, from_snapshot=b[:10], to_snapshot=a[:10])

    assert (found.from_snapshot_version, found.to_snapshot_version) == (b, a)
    assert [str(each.changes[0]) for each in found.changes] == [
        "field 'text': field parents: video.audio -> video.audio, video.frames"
    ]


@pytest.mark.parametrize(
    ("old", "new", "classes"),
    [
        ({}, {"fields": ["x", "y"]}, ("fields added",)),
        ({"fields": ["x", "y"]}, {}, ("fields removed",)),
        ({}, {"fields": ["z"]}, ("fields renamed", "fields removed", "fields added")),
        ({}, {"fields": [FieldSpec("x", code_version="2")]}, ("code version",)),
        ({}, {"deps": [FeatureDep("up", rename={"note": "said"})]}, ("dependency",)),
        ({}, {"deps": [FeatureDep("up", optional=True), "other"]}, ("dependency",)),
        ({}, {"deps": [FeatureDep("up", filters="id > 'a'")]}, ("filters",)),
        (
            {},
            {"deps": [FeatureDep("up", lineage=Lineage.aggregation(on=["id"]))]},
            ("lineage",),
        ),
        ({"ids": ("id",)}, {"ids": ("id", "part")}, ("id columns",)),
        ({}, {"description": "Other", "tags": ["a"], "metadata": {"a": 1}}, ("descriptions",)),
        ({}, {"columns": ("size",)}, ("columns",)),
    ],
)
def test_changes_are_classified(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any], classes: tuple[str, ...]
) -> None:
    """By what they are changes of."""

    def graph(options: dict[str, Any]) -> FeatureGraph:
        given: dict[str, Any] = {"fields": ["x"], "deps": ["up"]} | options
        if given.get("ids") is not None:
            given["deps"] = [FeatureDep("up", lineage=Lineage.expansion(on=["id"]))]
        return graph_of(
            feature("up", columns=("note",)), feature("other"), feature("down", **given)
        )

    lake = local(tmp_path)
    pushed(lake, graph(old))
    (change,) = detect_feature_changes(lake.store(graph=graph(new)))

    assert change.classes == classes
    assert change.changes_version == (classes not in {("descriptions",), ("columns",)})
    assert change.is_own == change.changes_version


def test_renames_are_guessed(tmp_path: Path) -> None:
    """A field that is gone, and a new one that is made in the same way by the same code."""
    lake = local(tmp_path)
    pushed(lake, speech())
    (change, *_) = detect_feature_changes(lake.store(graph=speech(field="words")))
    (other, *_) = detect_feature_changes(lake.store(graph=speech("audio", field="words")))

    assert [str(each) for each in change.renames] == ["'text' may be 'words' now"]
    assert other.renames == ()


def test_a_change_of_fields_upstream_follows(tmp_path: Path) -> None:
    """A feature whose own definition says the same has no change of its own."""

    def graph(*fields: str) -> FeatureGraph:
        return graph_of(feature("up", fields=list(fields)), feature("down", deps=["up"]))

    lake = local(tmp_path)
    pushed(lake, graph("a", "b"))
    found = detect_changes(lake.store(graph=graph("a")))

    assert [(str(each.feature), each.is_own) for each in found.changes] == [
        ("up", True),
        ("down", False),
    ]
    assert [str(each) for each in found.downstream] == [
        "Follows from up: its fields are made of others now."
    ]


def test_other_projects_are_left_to_themselves(lake: Lake) -> None:
    """Their features are neither told nor carried, and what depends on them says so."""

    def graph(code: str) -> FeatureGraph:
        source = feature("source", project="raw", fields=[FieldSpec("x", code_version=code)])
        return graph_of(source, feature("film", deps=["source"]))

    pushed(lake, graph("1"))
    store = lake.store(graph=graph("2"))
    with pytest.raises(MigrationError, match=r"Which project is to be migrated\? .*'films', 'raw'"):
        detect_changes(store)
    with pytest.raises(MigrationError, match=r"'film' has no features.*Did you mean 'films'\?"):
        detect_changes(store, project="film")
    with pytest.raises(SystemDataNotFoundError, match=r"'raw' was never pushed.*metaxy push"):
        detect_changes(store, project="raw")
    found = detect_changes(store, project="films")

    assert found.changes == ()
    assert found.refusals() == {
        FeatureKey("film"): (
            "'film' is made from 'source', which has another version now and is not carried by "
            "this migration: what is computed again upstream must be computed again here. Leave "
            "the operation out, or add one for 'source'.",
        )
    }


def test_a_file_is_written_for_review(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operations upstreams first, with what is proved as the reason and what changed beside it."""
    at(monkeypatch, AT)
    (before,) = pushed(lake, speech())
    graph = speech("audio")
    store = lake.store(graph=graph)
    file = generate_migration(store, output_dir=tmp_path / "migrations")
    assert file is not None

    assert file == tmp_path / "migrations/20260131_120000_update_speech_text.yaml"
    old, new = speech(), graph
    shown = {
        key: f"{old.feature_version(key)[:12]} -> {new.feature_version(key)[:12]}"
        for key in ("speech/text", "speech/speakers", "speech/times")
    }
    assert file.read_text(encoding="utf-8") == (
        "# Written by `metaxy migrations generate`, for you to review.\n"
        "# Each operation says: records that were up to date stay so, though the definition is "
        "another.\n"
        "# Take out those whose results would be others now: their records are computed again.\n"
        "# Replace every TODO by the reason. Then run: metaxy migrations apply --dry-run\n"
        "version: 1\n"
        "id: 20260131_120000_update_speech_text\n"
        "parent: initial\n"
        "description: 1 changed feature and 2 downstream\n"
        "created_at: '2026-01-31T12:00:00Z'\n"
        "project: films\n"
        f"from_snapshot_version: {before}\n"
        f"to_snapshot_version: {graph.snapshot_version}\n"
        "\n"
        "ops:\n"
        f"  # speech/text: {shown['speech/text']}\n"
        "  #   field 'text': field parents: video.audio, video.frames -> video.audio\n"
        "  - id: reconcile_speech_text\n"
        "    type: metaxy.migrations.ops.DataVersionReconciliation\n"
        "    feature_key: [speech, text]\n"
        f"    reason: '{TODO}'\n"
        "\n"
        f"  # speech/speakers: {shown['speech/speakers']}\n"
        "  - id: reconcile_speech_speakers\n"
        "    type: metaxy.migrations.ops.DataVersionReconciliation\n"
        "    feature_key: [speech, speakers]\n"
        "    reason: \"Follows from speech/text: field 'who' through speech/text.text.\"\n"
        "\n"
        f"  # speech/times: {shown['speech/times']}\n"
        "  - id: reconcile_speech_times\n"
        "    type: metaxy.migrations.ops.DataVersionReconciliation\n"
        "    feature_key: [speech, times]\n"
        "    reason: \"Follows from speech/speakers: field 'when' through speech/speakers.who.\"\n"
    )
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_what_is_written_is_what_is_detected(lake: Lake, tmp_path: Path) -> None:
    """And its operations are those of the affected features."""
    pushed(lake, speech())
    store = lake.store(graph=speech("audio"))
    file = generate_migration(store, output_dir=tmp_path, name="Narrow to audio!")
    assert file is not None
    written = Migration.from_yaml(file)
    detected = detect_diff_migration(store)

    assert file.name.endswith("_Narrow_to_audio.yaml")
    assert isinstance(written, DiffMigration)
    assert isinstance(detected, DiffMigration)
    assert (written.snapshots, written.ops) == (detected.snapshots, detected.ops)
    with store:
        assert written.operations(store) == written.ops
        assert [str(key) for key in written.get_affected_features(store)] == [
            "speech/text",
            "speech/speakers",
            "speech/times",
        ]


def test_a_file_follows_the_only_head(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several heads are refused, and so is a second file for the same change."""
    at(monkeypatch, AT)
    pushed(lake, speech())
    first = generate_migration(lake.store(graph=speech("audio")), output_dir=tmp_path)
    assert first is not None
    again = lake.store(graph=speech("audio"))
    with pytest.raises(MigrationFileError, match=rf"^{first.name} leads from .* already: review"):
        generate_migration(again, output_dir=tmp_path, name="again")

    pushed(lake, speech("audio"))
    other = lake.store(graph=speech("frames"))
    with pytest.raises(MigrationFileError, match=r"is there already and is left as it is"):
        generate_migration(other, output_dir=tmp_path)
    second = generate_migration(other, output_dir=tmp_path, name="second")
    assert second is not None
    assert Migration.from_yaml(second).parent == first.stem
    text = second.read_text(encoding="utf-8")
    third = tmp_path / "20260131_120000_third.yaml"
    third.write_text(text.replace(second.stem, third.stem), encoding="utf-8")
    with pytest.raises(MigrationFileError, match=r"2 migrations are the parent of none: .*second,"):
        generate_migration(lake.store(graph=speech(code="3")), output_dir=tmp_path, name="x")
    third.write_text("id: [", encoding="utf-8")
    with pytest.raises(MigrationFileError, match=r"third.yaml is no YAML"):
        generate_migration(other, output_dir=tmp_path, name="x")


def test_what_must_be_computed_again_is_left_out(lake: Lake, tmp_path: Path) -> None:
    """With the reason, and so is what is downstream of it through fields that changed."""

    def graph(code: str, parts: list[str]) -> FeatureGraph:
        text = FieldSpec("text", code_version=code, deps=[FieldDep("video", fields=["audio"])])
        return graph_of(
            feature("video", fields=["audio", "frames"]),
            feature("text", deps=["video"], fields=[text]),
            feature("words", deps=["text"]),
            feature(
                "faces",
                deps=["video"],
                fields=[FieldSpec("box", deps=[FieldDep("video", fields=parts)])],
            ),
        )

    pushed(lake, graph("1", ["audio", "frames"]))
    store = lake.store(graph=graph("2", ["frames"]))
    draft = draft_migration(store, output_dir=tmp_path)

    assert [str(each.feature) for each in draft.operations] == ["faces"]
    assert draft.description == "1 changed feature and 0 downstream, 2 left out"
    assert draft.to_text().split("\n\n")[-1] == (
        "# Not carried over, so the records of these are computed again:\n"
        "# - text\n"
        "#     The results of 'text' may be others now (field 'text': code version: '1' -> '2'). "
        f"{REMEDY}\n"
        "# - words\n"
        "#     'words' is made from 'text', which has another version now and is not carried by "
        "this migration: what is computed again upstream must be computed again here. Leave the "
        "operation out, or add one for 'text'.\n"
    )


def test_what_nobody_can_prove_is_drafted_where_the_user_says_so(
    lake: Lake, tmp_path: Path
) -> None:
    """Another code version is assumed to change nothing, for a reason that is to be written."""
    pushed(lake, speech())
    store = lake.store(graph=speech(code="2"))

    file = generate_migration(store, output_dir=tmp_path, assume_same_result=True)

    assert file is not None
    with store:
        operations = Migration.from_yaml(file).operations(store, "films")
    told = [
        (str(each.feature_key), each.reason, each.assume_same_result)
        for each in operations
        if isinstance(each, DataVersionReconciliation)
    ]
    assert told[0] == ("speech/text", TODO, True)
    assert [(key, assumed) for key, _, assumed in told[1:]] == [
        ("speech/speakers", False),
        ("speech/times", False),
    ]
    (found,) = check_migrations(store, tmp_path).findings
    assert found.kind == "reason"
    written = file.read_text(encoding="utf-8")
    assert (
        "    reason: 'TODO: why are the results the same?'\n    assume_same_result: true\n"
        in written
    )
    file.write_text(written.replace(TODO, "Only formatted anew."), encoding="utf-8")
    assert check_migrations(store, tmp_path).is_sound


def test_an_assumption_is_made_only_where_one_is_needed(lake: Lake, tmp_path: Path) -> None:
    """Narrowed dependencies are carried as ever; what can't be carried at all stays out."""
    pushed(lake, speech())
    narrowed = draft_migration(
        lake.store(graph=speech("audio")), output_dir=tmp_path, assume_same_result=True
    )
    root = graph_of(feature("video", fields=["sound"]), feature("text", deps=["video"]))
    pushed(lake, graph_of(feature("video", fields=["audio"]), feature("text", deps=["video"])))
    refused = draft_migration(lake.store(graph=root), output_dir=tmp_path, assume_same_result=True)

    assert [each.data.get("assume_same_result") for each in narrowed.operations] == [None] * 3
    assert refused.operations == ()
    assert "--assume-same-result" not in why_nothing(lake.store(graph=root), refused)


def test_a_field_that_is_taken_away_is_proved(lake: Lake, tmp_path: Path) -> None:
    """The others are as they were, so the reason is there."""

    def graph(*fields: str) -> FeatureGraph:
        return graph_of(feature("up"), feature("down", deps=["up"], fields=list(fields)))

    pushed(lake, graph("a", "b", "c"))
    draft = draft_migration(lake.store(graph=graph("b")), output_dir=tmp_path)

    assert [each.data["reason"] for each in draft.operations] == [
        "Only takes fields away: 'a', 'c'. The others are as they were."
    ]


def test_an_operation_of_your_own_can_be_asked_for(lake: Lake, tmp_path: Path) -> None:
    """For features that changed themselves, whatever changed; those downstream are reconciled."""
    pushed(lake, speech())
    store = lake.store(graph=speech(code="2"))
    draft = draft_migration(store, output_dir=tmp_path, op=Import.type_name())
    file = generate_migration(store, output_dir=tmp_path, op=Import.type_name())

    assert [(each.data["id"], each.data["type"]) for each in draft.operations] == [
        ("import_speech_text", Import.type_name()),
        ("reconcile_speech_speakers", DataVersionReconciliation.type_name()),
        ("reconcile_speech_times", DataVersionReconciliation.type_name()),
    ]
    assert draft.operations[0].comment.splitlines()[-1] == "  To be filled in: bucket"
    assert file is not None
    with pytest.raises(
        MigrationFileError, match=r"operation 1 \('import_\w+'\): it needs 'bucket'"
    ):
        Migration.from_yaml(file)
    with pytest.raises(MigrationError, match=r"'Imprt' is no path"):
        draft_migration(store, output_dir=tmp_path / "none", op="Imprt")


def test_nothing_changed_is_said(lake: Lake, tmp_path: Path) -> None:
    """Nothing is written, and what to do is told where something should have changed."""
    (before, after) = pushed(lake, speech(), speech("audio"))

    def why(graph: FeatureGraph) -> str:
        store = lake.store(graph=graph)
        assert generate_migration(store, output_dir=tmp_path / "none") is None
        return why_nothing(store, draft_migration(store, output_dir=tmp_path / "none"))

    same = why(speech("audio"))
    assert same.startswith(
        f"Nothing changed: the snapshot {after[:12]} of 'films' is the one that it is compared "
        "with. If the change was pushed already, `metaxy migrations generate --from "
        f"{before[:12]}` compares with what was pushed before it, at 20"
    )
    assert why(speech("audio", note="Said")) == (
        "Only what says the same in other words changed, in 'speech/text': no record is touched."
    )
    more = speech("audio", extra=True)
    assert why(more) == (
        f"No record is touched by what changed from {after[:12]} to {more.snapshot_version[:12]}: "
        "1 feature added, 0 removed, and no other has another version."
    )
    again = speech("audio", code="2")
    lines = why(again).splitlines()
    assert lines[0] == (
        f"Nothing can be carried over from {after[:12]} to {again.snapshot_version[:12]}, so the "
        "records of 'speech/text', 'speech/speakers', 'speech/times' are to be computed again:"
    )
    assert [line.split(" ")[2:6] for line in lines[1:]] == [
        ["The", "results", "of", "'speech/text'"],
        ["'speech/speakers'", "is", "made", "from"],
        ["'speech/times'", "is", "made", "from"],
        ["know", "that", "the", "results"],
    ]
    assert lines[-1] == (
        "If you know that the results of 'speech/text', 'speech/speakers', 'speech/times' are the "
        "same, `metaxy migrations generate --assume-same-result` writes their operations, and "
        "leaves the reasons to you."
    )
    assert detect_diff_migration(lake.store(graph=again)) is None
    assert not (tmp_path / "none").exists()


def test_snapshots_that_nobody_knows_are_told(lake: Lake) -> None:
    """With the nearest, and where they are listed."""
    a, _ = pushed(lake, speech(), speech("audio"))
    store = lake.store(graph=speech("audio"))
    with pytest.raises(SystemDataNotFoundError, match=r"'none' was not pushed.*graph history"):
        detect_changes(store, from_snapshot="none")
    with pytest.raises(
        SystemDataNotFoundError, match=r"2 snapshots begin with '': .* Give more of it"
    ):
        detect_changes(store, from_snapshot="")
    assert detect_changes(store, from_snapshot=a[:8]).from_snapshot_version == a


def test_a_generated_file_is_written_over_without_a_change(lake: Lake, tmp_path: Path) -> None:
    """All comments are there, also those after the operations."""
    pushed(lake, speech())
    graph = speech("audio", code="1")
    file = generate_migration(lake.store(graph=graph), output_dir=tmp_path)
    assert file is not None
    text = file.read_text(encoding="utf-8") + "\n# Not carried over:\n# - another\n"
    file.write_text(text, encoding="utf-8")
    migration = Migration.from_yaml(file)
    migration.to_yaml(file)
    assert file.read_text(encoding="utf-8") == text

    migration.model_copy(update={"description": "Reviewed"}).to_yaml(file)
    assert file.read_text(encoding="utf-8") == text.replace(
        "1 changed feature and 2 downstream", "Reviewed"
    )


def test_a_reconciliation_can_be_done_by_itself(lake: Lake) -> None:
    """Of all affected features, in order; what it can't carry is refused before it begins."""
    old, new = speech(), speech("audio")
    with lake.store(graph=old).open("write") as store:
        store.record_feature_graph_snapshot()
        update(store, "video", videos(("a", "1", "1"), ("b", "1", "1")))
        for key in ("speech/text", "speech/speakers", "speech/times"):
            assert update(store, key) == [2, 0, 0]
    ends: dict[str, Any] = {
        "from_snapshot_version": old.snapshot_version,
        "to_snapshot_version": new.snapshot_version,
    }
    every = DataVersionReconciliation()
    one = reconcile("speech/speakers")
    with lake.store(graph=new).open("write") as store:
        with pytest.raises(MigrationRefusedError, match=r"'speech/speakers' is made from"):
            one.execute(store, **ends)
        rows = [every.execute(store, **ends, dry_run=True), every.execute(store, **ends)]
        assert rows == [6, 6]
        for key in ("speech/text", "speech/speakers", "speech/times"):
            assert store.resolve_update(key).is_empty
        assert every.execute(store, **ends) == 0


def test_operations_are_made_explicit(lake: Lake) -> None:
    """One without a feature stands for all affected ones that have none of their own."""
    before, after = pushed(lake, speech(), speech("audio"))
    named = DataVersionReconciliation(
        id="mine", feature_key=FeatureKey("speech/speakers"), reason="Mine"
    )
    every = DataVersionReconciliation(reason="Same", assume_same_result=True)
    migration = diff(before, after, every, named)
    with lake.store(graph=speech("audio")) as store:
        operations = migration.operations(store)

    assert [
        (each.id, str(each.feature_key), each.reason, each.model_dump()["assume_same_result"])
        for each in operations
    ] == [
        ("reconcile_speech_text", "speech/text", "Same", True),
        ("mine", "speech/speakers", "Mine", False),
        ("reconcile_speech_times", "speech/times", "Same", True),
    ]


def test_operations_that_contradict_are_refused(lake: Lake) -> None:
    """All faults at once."""
    before, after = pushed(lake, speech(), speech("audio"))
    operations = [
        DataVersionReconciliation(id=name, feature_key=FeatureKey(key))
        for name, key in (("a", "video"), ("b", "video"), ("c", "vidoe"))
    ]
    every = DataVersionReconciliation()
    same_id = DataVersionReconciliation(id="reconcile_speech_text", feature_key=FeatureKey("video"))
    told: list[tuple[str, ...]] = []
    with lake.store(graph=speech("audio")) as store:
        for given in (operations, [every, same_id], [same_id, same_id]):
            with pytest.raises(MigrationError) as caught:
                diff(before, after, *given).operations(store)
            told.append(caught.value.reasons)

    assert told == [
        (
            "'c' is about the feature 'vidoe', which the definitions that are migrated to don't "
            "have. Did you mean 'video'?",
            "'b' and 'a' both reconcile 'video'",
        ),
        ("Two operations have the id 'reconcile_speech_text'; ids are unique within a migration",),
        ("2 operations have the id 'reconcile_speech_text'; give each its own",),
    ]


def test_the_oldest_format_finds_its_snapshots(lake: Lake, tmp_path: Path) -> None:
    """By feature versions, of which the beginning is enough; downstream follows by itself."""
    before, _, _ = pushed(lake, speech(), speech(code="5"), speech())
    old, new = (graph.feature_version("speech/text")[:8] for graph in (speech(), speech("audio")))
    file = tmp_path / "20260131_120000_old.yaml"
    file.write_text(
        "version: 1\nid: migration_20260131_120000\ncreated_at: '2026-01-31T12:00:00Z'\n"
        "operations:\n"
        "  - type: feature_version_migration\n    feature_key: [speech, text]\n"
        f"    from: '{old}'\n    to: '{new}'\n    change_type: unknown\n    reason: Same words\n",
        encoding="utf-8",
    )
    migration = Migration.from_yaml(file)
    with lake.store(graph=speech("audio")) as store:
        resolved = migration.resolved(store)
        operations = migration.operations(store)
        affected = migration.get_affected_features(store)

    assert resolved.snapshots == (before, speech("audio").snapshot_version)
    assert resolved.content_hash == migration.content_hash
    assert [(type(each), str(each.feature_key), each.reason) for each in operations] == [
        (DataVersionReconciliation, "speech/text", "Same words"),
        (DataVersionReconciliation, "speech/speakers", "Follows from speech/text."),
        (DataVersionReconciliation, "speech/times", "Follows from speech/text."),
    ]
    assert [str(key) for key in affected] == ["speech/text", "speech/speakers", "speech/times"]
    with (
        lake.store(graph=speech("frames")) as store,
        pytest.raises(SystemDataNotFoundError, match=r"has the feature versions .* as 'to'"),
    ):
        migration.resolved(store)


def test_a_function_of_the_oldest_format_is_called(lake: Lake) -> None:
    """With the store and the operation; what it gives is the number of rows."""
    (version,) = pushed(lake, speech())
    migration = FullGraphMigration.model_validate(
        {
            "migration_id": "a",
            "created_at": AT,
            "snapshot_version": version,
            "ops": [
                {
                    "type": "custom_migration",
                    "feature_key": "video",
                    "python_function": f"{__name__}.{called.__name__}",
                }
            ],
        }
    )
    with lake.store(graph=speech()) as store:
        (operation,) = migration.operations(store)
        assert migration.get_affected_features(store) == [FeatureKey("video")]
        told = [
            operation.execute(
                store, from_snapshot_version=version, to_snapshot_version=version, dry_run=dry_run
            )
            for dry_run in (True, False)
        ]

    assert told == [0, 7]
    assert CALLS == ["video"]
    CALLS.clear()


def test_check_finds_nothing_where_all_is_well(lake: Lake, tmp_path: Path) -> None:
    """Nothing pushed, in step, or a migration that leads to the code."""
    store = lake.store(graph=speech("audio"))
    assert check_migrations(store, tmp_path).is_sound
    pushed(lake, speech())
    file = generate_migration(store, output_dir=tmp_path)
    assert file is not None
    file.write_text(
        file.read_text(encoding="utf-8").replace(TODO, "Only audio was read"), encoding="utf-8"
    )
    report = check_migrations(store, tmp_path)

    assert report.findings == ()
    assert str(report) == "films: all is well with 1 migration."
    assert report.migrations == (file.stem,)
    pushed(lake, speech("audio"))
    assert check_migrations(store, tmp_path / "none").is_sound


def test_check_finds_everything(lake: Lake, tmp_path: Path) -> None:
    """Files, chain, reasons, snapshots, operations, and a code that is out of step."""
    before, after = pushed(lake, speech(), speech(code="2"))
    write(tmp_path, diff(before, after, reconcile("speech/text"), name="20260101_000000_a"))
    write(tmp_path, diff(before, "5" * 64, name="20260102_000000_b", parent="nothing"))
    (tmp_path / "c.yaml").write_text("{}", encoding="utf-8")
    reasonless = reconcile("speech/times", reason="")
    write(tmp_path, diff(after, before, reasonless, name="20260103_000000_d"))
    write(tmp_path, diff(before, after, reconcile("x"), name="20260104_000000_e"))
    report = check_migrations(lake.store(graph=speech("audio", code="2")), tmp_path)

    names = {f"2026010{n}_000000_{letter}": letter for n, letter in enumerate("abde", start=1)}
    told = [
        (each.kind, names.get(each.migration or ""), each.message.split(".yaml: ")[-1])
        for each in report.findings
    ]
    assert [(kind, name, message[:32]) for kind, name, message in told] == [
        ("file", None, "c.yaml is not a valid migration,"),
        ("chain", None, "20260102_000000_b.yaml has the p"),
        ("chain", None, "4 migrations are the parent of n"),
        ("reason", "d", "The reason of 'reconcile_speech_"),
        ("operation", "a", "The results of 'speech/text' may"),
        ("snapshot", "b", "The snapshot '555555555555555555"),
        ("operation", "d", "'speech/times' is made from 'spe"),
        ("operation", "e", "The operations can't be done: 'e"),
        ("step", None, "The code of 'films' has the snap"),
    ]
    code = speech("audio", code="2").snapshot_version
    assert told[-1][-1] == (
        f"The code of 'films' has the snapshot {code[:12]}, what was pushed last is {after[:12]}, "
        "and no migration leads there. Run `metaxy migrations generate` if the results of "
        "'speech/text', 'speech/speakers', 'speech/times' are the same, or `metaxy push` if they "
        "are to be computed again."
    )
    assert (report.is_sound, report.is_undecided) == (False, False)
    assert str(report).startswith("file: c.yaml is not a valid migration")


def test_a_change_that_carries_nothing_needs_no_migration(lake: Lake, tmp_path: Path) -> None:
    """What is to be computed again, or is new, is a note; what could be carried is no note."""
    (before,) = pushed(lake, speech())
    anew = check_migrations(lake.store(graph=speech(code="2")), tmp_path)
    added = check_migrations(lake.store(graph=speech(extra=True)), tmp_path)
    narrowed = check_migrations(lake.store(graph=speech("audio")), tmp_path)

    code = speech(code="2").snapshot_version
    assert str(anew) == (
        "films: all is well with 0 migrations.\n"
        f"The code of 'films' has the snapshot {code[:12]}, what was pushed last is {before[:12]}, "
        "and the records of 'speech/text', 'speech/speakers', 'speech/times' are to be computed "
        "again: no migration is needed, and `metaxy push` records it."
    )
    assert (added.is_sound, added.is_undecided) == (True, False)
    assert "no record is touched by what changed" in added.notes[0]
    assert (narrowed.is_sound, narrowed.is_undecided, narrowed.notes) == (False, True, ())


def test_check_looks_only_for_edits_of_what_was_applied(lake: Lake, tmp_path: Path) -> None:
    """What an applied migration names may be gone."""
    migration = diff("1" * 64, "2" * 64, name="20260101_000000_a")
    write(tmp_path, migration)
    store = lake.store(graph=speech())
    hashes = {migration.migration_id: migration.content_hash}

    assert [each.kind for each in check_migrations(store, tmp_path).findings] == ["snapshot"]
    assert check_migrations(store, tmp_path, applied=hashes).is_sound
    edited = check_migrations(store, tmp_path, applied={migration.migration_id: "0" * 64})
    assert [each.kind for each in edited.findings] == ["chain"]


CALLS: list[str] = []


def called(store: MetadataStore, operation: BaseOperation) -> int:
    """A function that a file names."""
    assert store.list_features() == ()
    CALLS.append(str(operation.feature_key))
    return 7


def diff(
    before: str, after: str, *operations: BaseOperation, name: str = "a", parent: str = "initial"
) -> DiffMigration:
    """A migration between two snapshots."""
    return DiffMigration(
        migration_id=name,
        created_at=AT,
        parent=parent,
        from_snapshot_version=before,
        to_snapshot_version=after,
        ops=operations,
    )


def reconcile(key: str, *, reason: str = "Same") -> DataVersionReconciliation:
    """An operation on a feature."""
    name = "e" if key == "x" else ""
    return DataVersionReconciliation(id=name, feature_key=FeatureKey(key), reason=reason)


def write(folder: Path, migration: Migration) -> None:
    """A file of a migration."""
    migration.to_yaml(folder / f"{migration.migration_id}.yaml")


def local(folder: Path) -> Lake:
    """A lake on disk, where the kind doesn't matter."""
    return delta_lake(folder / "lake", "nested")


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Let files be written at a moment."""

    class Clock(datetime):
        """Stands still."""

        @classmethod
        def now(cls, tz: object = None) -> "Clock":
            """The moment."""
            del tz
            return cls.fromtimestamp(moment.timestamp(), UTC)

    monkeypatch.setattr(generating, "datetime", Clock)
