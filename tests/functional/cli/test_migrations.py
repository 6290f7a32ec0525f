"""`metaxy migrations`: from a change of definitions to a lake that follows it, and back."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cli_project import FEATURES, Cli, Compute, Ended, WriteRoot
from metaxy.cli import output
from metaxy.migrations import events

NARROW = FEATURES.replace(
    "deps=[FeatureDep(Video)])",
    "deps=[FeatureDep(Video)], "
    'fields=[FieldSpec("default", deps=[FieldDep("video", fields=["frames"])])])',
).replace("FeatureDep, FeatureSpec", "FeatureDep, FeatureSpec, FieldDep")
"""Crops are made from the frames of a video only."""


@pytest.fixture
def changed(project: Path, metaxy: Cli, write_root: WriteRoot, compute: Compute) -> Path:
    """Records of three videos, of which one has changed; then the definitions change."""
    write_root(a="1", b="1", c="1")
    compute("video/crop", "video/faces")
    write_root(a="2")
    metaxy("push")
    (project / "demo_features.py").write_text(NARROW)
    return project


def the_file(folder: Path) -> Path:
    """The only migration."""
    (file,) = (folder / "migrations").glob("*.yaml")
    return file


def generated(folder: Path, metaxy: Cli) -> str:
    """Write the migration with its reason; its id."""
    assert metaxy("migrations", "generate", "--name", "narrow").code == 0
    file = the_file(folder)
    file.write_text(
        file.read_text().replace(
            "TODO: why are the results the same?",
            "Crops never had sound.",
        )
    )
    return file.stem


def states(ended: Ended) -> list[tuple[str, str]]:
    """Which migrations are told, and how they stand."""
    return [(each["id"], each["status"]) for each in ended.data["migrations"]]


def test_from_a_change_to_a_lake_that_follows_it(changed: Path, metaxy: Cli) -> None:
    """Generate, check, look, apply: then nothing is to be computed but what was before."""
    written = metaxy("migrations", "generate", "--name", "narrow")
    file = the_file(changed)
    unready = metaxy("migrations", "check")
    refused = metaxy("migrations", "apply")

    assert written.out == f"Wrote {file}\n"
    assert "write the reasons that are TODO" in written.err
    assert unready.code == 1
    assert "still has to be written" in unready.out
    assert refused.code == 3
    assert "still has to be written" in refused.out

    file.unlink()
    name = generated(changed, metaxy)

    assert metaxy("migrations", "check").code == 0
    assert metaxy("migrations", "status").code == 2
    planned = metaxy("migrations", "apply", "--dry-run")
    assert planned.code == 0
    assert f"{name}: planned, 2 features, 6 rows to write" in planned.out
    assert "  video/crop: out of date, and stay so: id='a'" in planned.out
    assert planned.err == "Nothing was written: it was a dry run.\n"

    applied = metaxy("migrations", "apply", "--json")
    again = metaxy("migrations", "apply")

    (result,) = applied.data["migrations"]
    assert (applied.code, applied.data["store"], applied.data["dry_run"]) == (0, "dev", False)
    assert (result["id"], result["status"], result["rows"]) == (name, "completed", 6)
    assert [(each["feature"], each["out_of_date"]) for each in result["operations"]] == [
        ("video/crop", 1),
        ("video/faces", 0),
    ]
    assert (again.code, again.out) == (0, f"{name}: skipped, nothing is left to do\n")
    assert metaxy("migrations", "status").code == 0
    told = metaxy("status", "--json").data["features"]
    assert {each["feature"]: each["changed"] for each in told} == {
        "video": None,
        "video/crop": 1,
        "video/faces": 0,
    }


def test_the_commands_that_show_a_migration(changed: Path, metaxy: Cli) -> None:
    """List, describe and explain, as text and as JSON; an id may be cut short."""
    name = generated(changed, metaxy)

    listed = metaxy("migrations", "list")
    described, content = (
        metaxy("migrations", "describe", name[:15], *more) for more in ([], ["--json"])
    )
    explained, why = (metaxy("migrations", "explain", name, *more) for more in ([], ["--json"]))

    assert listed.out.splitlines()[1].startswith(f"{name}  DiffMigration  ")
    assert metaxy("migrations", "list", "--json").data["migrations"][0]["parent"] == "initial"
    assert described.out.startswith(f"# {the_file(changed)}: pending in 'dev'\n")
    assert "Crops never had sound." in described.out
    assert content.data["content"]["ops"][0]["feature_key"] == ["video", "crop"]
    assert "because field 'default' through video/crop.default" not in explained.out
    assert [each["because"] for each in why.data["operations"]] == [
        ["field 'default': field parents: video.audio, video.frames -> video.frames"],
        ["field 'boxes' through video/crop.default"],
    ]
    unknown = metaxy("migrations", "explain", "2099")
    assert unknown.code == 1
    assert unknown.err.startswith(f"Error: There is no migration '2099'. There are '{name}'.")


def test_a_rollback_is_undone_by_name_only(changed: Path, metaxy: Cli) -> None:
    """It is not pending then, and `apply` passes it over; its id applies it again.

    Of the id, the beginning will do.
    """
    name = generated(changed, metaxy)
    metaxy("migrations", "apply")

    back = metaxy("migrations", "rollback", name[:15], "--yes", "--json")
    after = metaxy("migrations", "status", "--json")
    passed = metaxy("migrations", "apply")
    again = metaxy("migrations", "rollback", name)
    done = metaxy("migrations", "apply", name, "--json")

    assert back.data["status"] == "rolled_back"
    assert [(each["feature"], each["ended"]) for each in back.data["features"]] == [
        ("video/faces", 3),
        ("video/crop", 3),
    ]
    assert (after.code, states(after)) == (0, [(name, "rolled_back")])
    assert "It was rolled back." in passed.out
    assert (again.code, again.out) == (
        0,
        f"{name}: was rolled back before, so there is nothing to take back. `metaxy migrations "
        f"apply {name}` applies it again.\n",
    )
    assert done.data["migrations"][0]["rows"] == 6
    assert metaxy("migrations", "rollback", "nothing").code == 1


def test_a_code_version_alone_is_migrated_by_your_word(
    project: Path, metaxy: Cli, write_root: WriteRoot, compute: Compute
) -> None:
    """Nothing is generated before the option is given, and nothing applied before the reason is."""
    write_root(a="1", b="1")
    compute("video/crop", "video/faces")
    metaxy("push")
    (project / "demo_features.py").write_text(
        FEATURES.replace('code_version="1"', 'code_version="2"')
    )

    anew = metaxy("migrations", "check")
    nothing = metaxy("migrations", "generate")
    written = metaxy("migrations", "generate", "--assume-same-result")
    file = the_file(project)
    unready, told = metaxy("migrations", "status"), metaxy("migrations", "status", "--json")
    refused = metaxy("migrations", "apply")
    file.write_text(file.read_text().replace("TODO: why are the results the same?", "Tidied up."))
    ready = metaxy("migrations", "status")
    done = metaxy("migrations", "apply")

    assert anew.code == 0
    assert "'video/faces' are to be computed again: no migration is needed" in anew.out
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err.splitlines()[-1] == (
        "If you know that the results of 'video/faces' are the same, `metaxy migrations generate "
        "--assume-same-result` writes their operations, and leaves the reasons to you."
    )
    assert (written.code, written.out) == (0, f"Wrote {file}\n")
    assert unready.out.splitlines()[1].split() == [
        file.stem,
        "pending",
        "-",
        "needs",
        "1",
        "reason",
    ]
    assert unready.err == (
        f"\n1 migration to apply: first write the reasons.\n  {file}: The reason of "
        "'reconcile_video_faces' still has to be written: 'TODO: why are the results the same?'. "
        "Say why the results are the same, or take the operation out, so that the records are "
        "computed again.\n"
    )
    assert len(told.data["migrations"][0]["unready"]) == 1
    assert refused.code == 3
    assert ready.err == "\n1 migration to apply: metaxy migrations apply\n"
    assert (done.code, metaxy("migrations", "status").code, metaxy("status").code) == (0, 0, 0)


def test_an_undecided_change_is_no_fault(changed: Path, metaxy: Cli) -> None:
    """The check ends with 2 where nobody has said whether to migrate; pushing is an answer."""
    undecided = metaxy("migrations", "check")
    metaxy("push")

    assert undecided.code == 2
    assert undecided.out.startswith("step: The code of 'demo' has the snapshot ")
    assert metaxy("migrations", "check").code == 0
    assert not (changed / "migrations").exists()


def test_a_rollback_asks_first(changed: Path, metaxy: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what would go; off a terminal it is refused, and `--yes` answers beforehand."""
    name = generated(changed, metaxy)
    metaxy("migrations", "apply")
    asked: list[str] = []

    def answered(question: str) -> bool:
        asked.append(question)
        return False

    unasked = metaxy("migrations", "rollback", name, "--json")
    with monkeypatch.context() as patched:
        patched.setattr(output, "can_ask", lambda: True)
        patched.setattr(output, "confirmed", answered)
        declined = metaxy("migrations", "rollback", name)
    kept = states(metaxy("migrations", "status", "--json"))
    done = metaxy("migrations", "rollback", name, "--yes")
    after = metaxy("status")

    question = (
        f"Take back what '{name}' has written to 'video/crop' (3 rows), 'video/faces' (3 rows) in "
        f"DeltaMetadataStore({changed / 'lake'})?"
    )
    assert (unasked.code, unasked.out) == (3, "")
    assert unasked.err == f"Refused: {question} There is nobody to ask; give --yes to do it.\n"
    assert (declined.code, declined.err, asked) == (3, "Nothing was done.\n", [question])
    assert kept == [(name, "completed")]
    assert done.out.splitlines() == [
        f"{name}: rolled back, 6 records ended, as there was none before",
        "  video/faces: 3 records ended, as there was none before",
        "  video/crop: 3 records ended, as there was none before",
    ]
    assert [line.split()[:4] for line in after.out.splitlines()[2:]] == [
        ["video/crop", "pending", "0", "3"],
        ["video/faces", "waiting", "0", "-"],
    ]
    assert (
        "video/faces: no records of the current version of its upstream 'video/crop'" in after.err
    )


def test_a_stamp_stands_for_a_run(changed: Path, metaxy: Cli) -> None:
    """Nothing is written, and nothing is to be applied; an edit is seen afterwards."""
    name = generated(changed, metaxy)

    first, second = metaxy("migrations", "stamp", name), metaxy("migrations", "stamp", name)

    assert first.out == f"Stamped '{name}'.\n"
    assert second.err == f"'{name}' is stamped here already.\n"
    assert metaxy("migrations", "status").code == 0
    file = the_file(changed)
    file.write_text(file.read_text().replace("Crops never had sound.", "Another reason."))
    edited = metaxy("migrations", "apply")
    assert edited.code == 3
    assert "was edited after it was applied here (stamped)" in edited.out
    assert "edited after it was applied" in metaxy("migrations", "status").out
    assert metaxy("migrations", "check").code == 1


def test_who_has_it_is_told(changed: Path, metaxy: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process applies it, nothing is done, and the exit code is 3."""
    name = generated(changed, metaxy)
    with monkeypatch.context() as patched:
        # A run that never gets to its end: this very process stays its holder.
        patched.setattr(events.MigrationCompleted, "kind", "migration_forgotten")
        metaxy("migrations", "apply")

    busy, told = metaxy("migrations", "apply"), metaxy("migrations", "status", "--json")
    back = metaxy("migrations", "rollback", name)

    assert (busy.code, back.code, told.code) == (3, 3, 2)
    assert f"is applying '{name}' since" in busy.out
    assert back.err.startswith("Refused: ")
    assert states(told) == [(name, "running")]
    assert metaxy("migrations", "apply", "--force").code == 0
    assert states(metaxy("migrations", "status", "--json")) == [(name, "completed")]


def test_where_nothing_is_the_way_on_is_told(folder: Path, metaxy: Cli) -> None:
    """Without features, without files, without anything recorded."""
    generated_of_nothing = metaxy("migrations", "generate")
    applied = metaxy("migrations", "apply", "2026")
    taken_back = metaxy("migrations", "rollback", "2026")

    assert "There are no features in the code, so there is nothing to" in generated_of_nothing.err
    assert "There is no migration '2026'. There are none; `metaxy migrations gen" in applied.err
    assert "so there is nothing to take back; nor is anything of others." in taken_back.err
    assert {each.code for each in (generated_of_nothing, applied, taken_back)} == {1}
    assert not (folder / "migrations").exists()


def test_without_files_the_way_to_them_is_told(project: Path, metaxy: Cli) -> None:
    """There is nothing to do then, and that is no error."""
    metaxy("push")

    for command in ("apply", "status", "list"):
        ended = metaxy("migrations", command)
        assert (ended.code, ended.out) == (0, "")
        assert "`metaxy migrations generate`" in ended.err
    nothing = metaxy("migrations", "generate")
    assert nothing.err.startswith("Nothing changed: the snapshot ")
    assert not (project / "migrations").exists()


def test_faulty_files_are_named(project: Path, metaxy: Cli) -> None:
    """All that is wrong comes at once; the folder is the configured one."""
    settings = project / "metaxy.toml"
    settings.write_text('migrations_dir = "steps"\n' + settings.read_text())
    (project / "steps").mkdir()
    (project / "steps/20260101_000000_a.yaml").write_text("id: [")
    (project / "steps/20260101_000000_b.py").write_text("print('loaded')")

    ended = metaxy("migrations", "status", "--json")

    assert ended.code == 1
    assert ended.out == ""
    assert "20260101_000000_a.yaml" in ended.err
    assert "20260101_000000_b.py" in ended.err


def test_what_is_in_the_way_is_told(changed: Path, metaxy: Cli) -> None:
    """A failure is told with its feature and with what waits for it, and the exit code is 1."""
    name = generated(changed, metaxy)
    file = the_file(changed)
    operation = (
        "ops:\n  - id: first\n    type: custom_migration\n    feature_key: [video, crop]\n"
        "    python_function: demo_features.fail\n    reason: It fails.\n"
    )
    file.write_text(file.read_text().replace("ops:\n", operation))
    (changed / "demo_features.py").write_text(
        NARROW + "\ndef fail(store, operation):\n    print('trying')\n    raise OSError('disk')\n"
    )

    ended = metaxy("migrations", "apply", "--json")
    told = metaxy("migrations", "status", "--verbose")

    assert (ended.code, ended.err) == (1, "trying\n")
    assert ended.data["migrations"][0]["errors"] == {"video/crop": "OSError: disk"}
    assert told.code == 2
    assert f"{name}  failed  " in told.out
    assert "  in the way: video/crop: OSError: disk\n" in told.out
    assert "  in the way: video/faces: waits for video/crop\n" in told.out


def test_a_terminal_shows_how_far_it_is(
    changed: Path, metaxy: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar on stderr, which nothing is left of at the end; stdout has the result."""
    name = generated(changed, metaxy)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "metaxy.cli", "migrations", "apply"]

    ended = subprocess.run(  # noqa: S603  the program under test
        command, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert ended.returncode == 0
    assert ended.stdout.startswith(f"{name}: completed, 2 features, 6 rows written")
    assert f"{name}: planning" in shown
    assert "[....................] 0/2 video/crop: running" in shown
    assert "[##########..........] 1/2 video/faces: running" in shown
    assert shown.endswith("[####################] 2/2 video/faces: completed\r\x1b[K")
