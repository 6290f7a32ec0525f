"""`metaxy config`: the settings."""

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.options import json_option
from metaxy.config import ConfigValue, MetaxyConfig


@click.command(
    cls=Command,
    examples=[
        ("metaxy config show", "Which settings hold, and who set them."),
        ("metaxy config show --json | jq '.settings[0]'", "For programs."),
    ],
)
@json_option
def show(*, as_json: bool) -> ExitCode:
    """Show every setting and where it comes from.

    A setting comes from a variable, from a line of metaxy.toml or pyproject.toml, or from the
    defaults. Credentials are shown as `***`.
    """
    config = MetaxyConfig.load()
    settings = config.explain()
    files = [str(file) for file in config.files]
    if as_json:
        rows = [{"key": each.key, "value": each.value, "source": each.source} for each in settings]
        output.json_data({"files": files, "settings": rows})
        return ExitCode.OK
    output.table(
        ["setting", "value", "source"],
        [(each.key, _shown(each), each.source) for each in settings],
    )
    if not files:
        output.message(
            "\nThere is no metaxy.toml here or in a folder above, so the defaults hold. "
            "`metaxy init` writes one."
        )
    return ExitCode.OK


def _shown(setting: ConfigValue) -> str | None:
    value = setting.value
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)
