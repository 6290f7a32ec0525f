"""What the commands of `metaxy migrations` share: the folder, the store, how a refusal ends."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from metaxy.cli import output
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import OpenStore, opened_store
from metaxy.errors import MigrationConflictError, MigrationRefusedError
from metaxy.metadata_store.session import AccessMode
from metaxy.migrations.api import found_file, ordered_files
from metaxy.migrations.claims import read_states
from metaxy.migrations.files import MigrationFile

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def folder_option(command: Decorated) -> Decorated:
    """Add `--migrations-dir FOLDER`, passed as `folder`."""
    return click.option(
        "--migrations-dir",
        "folder",
        metavar="FOLDER",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where the migration files are; by default as configured: migrations.",
    )(command)


def id_argument(*, is_required: bool = True) -> Callable[[Decorated], Decorated]:
    """Add `ID`, passed as `migration_id`."""
    return click.argument(
        "migration_id", metavar="ID" if is_required else "[ID]", required=is_required
    )


@dataclass(frozen=True, slots=True)
class OpenMigrations:
    """An open store and the folder of the project's migrations."""

    opened: OpenStore
    folder: Path

    def files(self) -> tuple[MigrationFile, ...]:
        """The migrations in order; a `MigrationFileError` has every fault."""
        return ordered_files(self.folder, read_states(self.opened.store))

    def file(self, migration_id: str) -> MigrationFile:
        """A migration by its id, or the beginning of it."""
        return found_file(self.files(), migration_id)


@contextmanager
def opened_migrations(
    store_name: str | None, folder: Path | None, mode: AccessMode = "read"
) -> Generator[OpenMigrations]:
    """Set up the project, and open one of its stores for the length of a block.

    What migrations written in Python print meanwhile goes where messages go; data is to be printed
    after the block.
    """
    with (
        opened_store(store_name, mode, needs_features=False) as opened,
        redirect_stdout(sys.stderr),
    ):
        config = opened.project.config
        yield OpenMigrations(opened, folder or config.folder / config.migrations_dir)


@contextmanager
def told_as_refusal() -> Generator[None]:
    """End with the exit code for it what must not be done now."""
    try:
        yield
    except (MigrationConflictError, MigrationRefusedError) as error:
        output.message(f"Refused: {error}")
        raise click.exceptions.Exit(ExitCode.REFUSED) from error


def nothing_there(folder: Path) -> None:
    """Say that there are no migrations."""
    output.message(
        f"There are no migrations in {folder}. `metaxy migrations generate` writes one when "
        "definitions have changed."
    )
