"""The reference page against the commands."""

import re
from pathlib import Path

import pytest

from cli_commands import commands

PAGE = Path(__file__).parents[3] / "docs/reference/cli.md"
OF_EVERY_COMMAND = {"--debug", "--help", "--store", "--json"}


def sections() -> dict[str, str]:
    """The text of each section by its heading."""
    _, *parts = re.split(r"(?m)^## ", PAGE.read_text(encoding="utf-8"))
    return {heading: text for heading, _, text in (part.partition("\n") for part in parts)}


COMMANDS = commands()


def test_the_page_has_the_commands_and_no_others() -> None:
    """A section a command, in the order of help, behind what holds for all."""
    assert list(sections()) == ["What holds for every command", *COMMANDS]


@pytest.mark.parametrize("called", COMMANDS)
def test_a_section_has_the_options_of_its_command(called: str) -> None:
    """Each option is in the line that shows how to call it, and explained unless all have it."""
    section = sections()[called]
    if section.strip().startswith("The same as"):
        return
    usage = re.search(r"```console\n(.*?)\n```", section, re.DOTALL)
    options = {opt for param in COMMANDS[called].load().params for opt in param.opts}
    long = {option for option in options if option.startswith("--")} - {"--debug"}

    assert usage is not None
    assert usage[1].startswith(called)
    assert set(re.findall(r"--[a-z-]+", usage[1])) == long
    explained = {option for option in long if re.search(rf"(?m)^\| .*`{option}\b", section)}
    assert explained == long - OF_EVERY_COMMAND
