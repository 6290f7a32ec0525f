"""`metaxy init`: the files of a new project."""

import shlex
from pathlib import Path

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.options import json_option
from metaxy.errors import listed
from metaxy.project.scaffold import project_files, project_name


@click.command(
    cls=Command,
    examples=[
        ("metaxy init", "In the current folder."),
        ("metaxy init photos --project vision", "In another, with a name for the project."),
    ],
)
@click.argument(
    "folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), metavar="[FOLDER]"
)
@click.option("--project", "name", metavar="NAME", help="By default, the folder's name.")
@click.option("--force", "is_forced", is_flag=True, help="Overwrite files that are there.")
@json_option
def init(*, folder: Path, name: str | None, is_forced: bool, as_json: bool) -> ExitCode:
    """Begin a project that works at once.

    Writes metaxy.toml with comments, features.py with a first root and a feature made from it, and
    compute.py, which computes what is to be computed.

    Exits with 3 if one of them is there already.
    """
    texts = project_files(name or project_name(folder.resolve().name))
    files = {folder / file: text for file, text in texts.items()}
    existing = [str(file) for file in files if file.exists()]
    if existing and not is_forced:
        output.message(
            f"Refused: {listed(existing)} would be overwritten. Nothing was written; give --force "
            "to overwrite, or another folder."
        )
        return ExitCode.REFUSED
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    if as_json:
        output.json_data({"files": [str(file) for file in files]})
    else:
        output.data("\n".join(f"Wrote {file}" for file in files))
    output.message(_next_steps(folder))
    return ExitCode.OK


def _next_steps(folder: Path) -> str:
    steps = [] if folder.resolve() == Path.cwd() else [(f"cd {shlex.quote(str(folder))}", "")]
    steps += [
        ("metaxy push", "record the features in the lake"),
        ("python compute.py", "compute what is to be computed; once more: nothing is"),
        ("metaxy status", "see what there is"),
    ]
    return "\nNext:\n" + "\n".join(f"  {step:<18}  {why}".rstrip() for step, why in steps)
