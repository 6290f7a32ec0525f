"""`metaxy demo`: the main job on real files, in three rounds."""

import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.demo_text import HEADER, beginning, feature_line, reason, scene
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.options import json_option
from metaxy.demo import Play, Round, Selection, default_folder, select_files


@click.command(
    cls=Command,
    examples=[
        ("metaxy demo", "A lake over the standard library of this Python."),
        ("metaxy demo ~/photos", "Over another folder, which is only read."),
        ("metaxy demo --keep library", "Keep project, lake and files, to look into them."),
    ],
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--keep",
    metavar="NEW_FOLDER",
    type=click.Path(path_type=Path),
    help="Keep the project, its lake and the copy of the files in this folder.",
)
@json_option
def demo(*, folder: Path | None, keep: Path | None, as_json: bool) -> ExitCode:
    """Run the main job on a lake over real files.

    Takes a copy of FOLDER (by default the standard library of this Python) and keeps a lake of six
    features of its files. Round 1 computes everything. Round 2 comes after some files were edited,
    touched, deleted and added, round 3 after the code of one field was changed; each computes what
    that asks for, and nothing else.
    """
    started = time.perf_counter()
    selection = select_files(folder or default_folder())
    done: list[Round] = []
    with Play.set_up(selection, keep=keep) as play:
        if not as_json:
            output.data(beginning(selection, is_default=folder is None))
        for each in play.rounds():
            if as_json:
                for _ in each:
                    pass
            else:
                _show(each, play)
            done.append(each)
        seconds = time.perf_counter() - started
        if as_json:
            output.json_data(_as_json(selection, play, done, keep=keep, seconds=seconds))
        else:
            output.data(_ending(play, keep=keep, seconds=seconds))
    return ExitCode.ERROR if any(each.left for each in done) else ExitCode.OK


def _show(each: Round, play: Play) -> None:
    """Print a round while it is run."""
    title, happened = scene(each.name, play.edits)
    output.data(f"\n{output.styled(title, 'bold', stream=sys.stdout)}\n{happened}\n\n{HEADER}")
    for account in each:
        output.data(feature_line(account))
    output.data("\n" + reason(each))


def _ending(play: Play, *, keep: Path | None, seconds: float) -> str:
    total = f"\nAll of it took {seconds:.1f} s."
    if keep is None:
        return f"{total} To keep the project, its lake and the files: metaxy demo --keep NEW_FOLDER"
    scan = "import polars as pl; print(pl.scan_delta('lake/library/module.delta').head().collect())"
    commands = [
        f"cd {shlex.quote(str(play.workspace.folder))}",
        "metaxy status",
        "metaxy graph render",
        f'{shlex.quote(sys.executable)} -c "{scan}"',
        f"{shlex.quote(sys.executable)} run.py files",
    ]
    return "\n".join([f"{total} Look around:", "", *(f"  {command}" for command in commands)])


def _as_json(
    selection: Selection, play: Play, rounds: Iterable[Round], *, keep: Path | None, seconds: float
) -> dict[str, object]:
    return {
        "folder": str(selection.folder),
        "files": len(selection.files),
        "bytes": selection.size_bytes,
        "left_out": dict(selection.left_out),
        "is_cut": selection.is_cut,
        "edits": play.edits.by_kind,
        "rounds": [
            {
                "name": each.name,
                "seconds": round(each.seconds, 3),
                "left": each.left,
                "features": [account.model_dump() for account in each.accounts.values()],
            }
            for each in rounds
        ],
        "seconds": round(seconds, 3),
        "kept": None if keep is None else str(play.workspace.folder),
        "lake": None if keep is None else str(play.workspace.lake),
    }
