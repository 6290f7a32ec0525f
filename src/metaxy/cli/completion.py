"""`metaxy completion`: the script for a shell's start-up file."""

import click
from click.shell_completion import get_completion_class

from metaxy.cli import output
from metaxy.cli.command import PROGRAMS, Command
from metaxy.cli.exit_code import ExitCode

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Command,
    examples=[
        ('eval "$(metaxy completion bash)"', "In ~/.bashrc; zsh alike, in ~/.zshrc."),
        ("metaxy completion fish > ~/.config/fish/completions/metaxy.fish", "For fish."),
    ],
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> ExitCode:
    """Print the script that makes a shell complete.

    It completes commands, options, stores and features, of `metaxy` and of `mx`.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"This release of click completes nothing in {shell}.")
    command = click.get_current_context().find_root().command
    for program in PROGRAMS:
        output.data(kind(command, {}, program, f"_{program.upper()}_COMPLETE").source())
    return ExitCode.OK
