"""Asking before something is removed."""

import click

from metaxy.cli import output

yes_option = click.option("--yes", "-y", "is_confirmed", is_flag=True, help="Don't ask.")
"""`--yes`, passed as `is_confirmed`."""

dry_run_option = click.option(
    "--dry-run", "is_dry", is_flag=True, help="Tell what would go, and remove nothing."
)
"""`--dry-run`, passed as `is_dry`."""


def may(plan: str, is_confirmed: bool) -> bool:
    """Whether something may be done: because of `--yes`, or somebody says so on a terminal."""
    if is_confirmed:
        return True
    if not output.can_ask():
        output.message(f"Refused: {plan}? There is nobody to ask; give --yes to do it.")
        return False
    if output.confirmed(f"{plan}?"):
        return True
    output.message("Nothing was done.")
    return False
