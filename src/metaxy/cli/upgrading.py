"""`metaxy migrations upgrade`: the tables of storage classes, brought to what the classes say."""

import importlib
from pathlib import Path

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.opening import loaded_project
from metaxy.cli.options import json_option, store_option
from metaxy.errors import EntrypointError, did_you_mean
from metaxy.meta_tables import MetaTableMigration
from metaxy.meta_tables.upgrade import UpgradePlan
from metaxy.project import Project
from metaxy.project.discovery import FeatureModule, import_feature_modules


@click.command(
    cls=Command,
    examples=[
        ("metaxy migrations upgrade --provider my.tables:provider", "All that it lists."),
        ("metaxy migrations upgrade --provider my.tables:provider --dry-run", "Only tell."),
    ],
)
@click.argument("revision", default="head")
@click.option(
    "--provider",
    metavar="MODULE:OBJECT",
    required=True,
    help="The MetaTableMigration that lists the storage classes.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and write nothing.")
@store_option
@json_option
def upgrade(
    *, revision: str, provider: str, dry_run: bool, store_name: str | None, as_json: bool
) -> ExitCode:
    """Create and alter the tables of storage classes.

    The plan is made first, for all tables that the provider lists; if one of them can't be upgraded
    nothing is changed. Tables get what they lack and lose nothing. REVISION is `head`, and there is
    no other.
    """
    project = loaded_project()
    migration = _provider(provider, project)
    store = project.get_store(store_name)
    plan = migration.upgrade(store, revision=revision, dry_run=dry_run)
    name = project.config.store if store_name is None else store_name
    if as_json:
        output.json_data({"store": name, "dry_run": dry_run, "tables": _as_json(plan)})
        return ExitCode.OK
    output.table(
        ["table", "identifier", "action", "changes"],
        [
            (
                step.contract.table_name,
                step.contract.identifier,
                step.action,
                "; ".join(step.changes) or None,
            )
            for step in plan.steps
        ],
    )
    output.message(_told(plan, dry_run=dry_run))
    return ExitCode.OK


def _told(plan: UpgradePlan, *, dry_run: bool) -> str:
    if plan.is_empty:
        return "Nothing to do: the tables are as the classes say."
    return "Nothing was written: --dry-run." if dry_run else "Done."


def _as_json(plan: UpgradePlan) -> list[dict[str, object]]:
    return [
        {
            "table": step.contract.table_name,
            "identifier": step.contract.identifier,
            "uid": step.registration.uid,
            "revision": step.registration.revision,
            "action": step.action,
            "new_columns": list(step.new_columns),
            "changes": list(step.changes),
        }
        for step in plan.steps
    ]


def _provider(given: str, project: Project) -> MetaTableMigration:
    """Import the provider, from the project's folder or installed."""
    module_name, colon, name = given.partition(":")
    if not (colon and name.isidentifier() and all(map(str.isidentifier, module_name.split(".")))):
        raise click.BadParameter(
            f"{given!r} is no provider: write package.module:object, the name of a module as it is "
            "imported and the name of an object in it",
            param_hint="--provider",
        )
    folder: Path = project.config.folder
    import_feature_modules([FeatureModule(module_name, "--provider")], folder=folder)
    module = importlib.import_module(module_name)
    found: object = getattr(module, name, None)
    if isinstance(found, MetaTableMigration):
        return found
    if found is not None:
        what = (
            f"the class {found.__name__}"
            if isinstance(found, type)
            else f"a {type(found).__name__}"
        )
        raise click.BadParameter(
            f"{given} is {what}; a provider is a MetaTableMigration",
            param_hint="--provider",
        )
    providers = [key for key, each in vars(module).items() if isinstance(each, MetaTableMigration)]
    raise EntrypointError(
        f"The module '{module_name}' has no {name!r}.{did_you_mean(name, providers)}",
        entrypoint=given,
    )
