"""`${VAR}` and `${VAR:-default}` in the text of a file.

`${VAR}` needs the variable to be set, to an empty text at least; `${VAR:-default}` gives the
default where it is not set or empty, as a shell does. `$${` stands for a literal `${`. What a
variable holds is put in as it is and not looked through again.
"""

import re
from collections.abc import Mapping

from metaxy.errors import did_you_mean

_REFERENCE = re.compile(
    r"(?P<literal>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^{}]*)?\}"
    r"|(?P<broken>\$\{)"
)


class InterpolationError(ValueError):
    """A reference in a text names no variable, or is none; the message can stand after a path."""


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """Give the text with its references replaced.

    Raises:
        InterpolationError: Tells what is wrong with the first bad one.
    """
    return _REFERENCE.sub(lambda match: _replacement(match, environment), text)


def _replacement(match: re.Match[str], environment: Mapping[str, str]) -> str:
    if match["literal"]:
        return "${"
    if match["broken"]:
        rest = match.string[match.start() :][:20]
        message = (
            f"{rest!r} is no reference to a variable; write ${{NAME}} or ${{NAME:-default}}, "
            "or $${ for a literal ${."
        )
        raise InterpolationError(message)
    name, default = match["name"], match["default"]
    value = environment.get(name)
    if value or (value is not None and default is None):
        return value
    if default is not None:
        return default.removeprefix(":-")
    message = (
        f"the variable {name} is not set.{did_you_mean(name, environment)} "
        f"Set it, or give a default: ${{{name}:-…}}."
    )
    raise InterpolationError(message)
