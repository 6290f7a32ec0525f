"""Credentials kept out of messages, those of other libraries' errors among them."""

import re
from collections.abc import Mapping

from metaxy.errors import redact

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SHORTEST = 4
"""Shorter values are no secrets, and would be cut out of ordinary words."""


class Secrets:
    """The credentials in a store's options.

    Args:
        options: Those whose name says so are secret, such as `aws_secret_access_key`.
    """

    def __init__(self, options: Mapping[str, str] | None) -> None:
        self._values = sorted(
            (
                value
                for name, value in (options or {}).items()
                if len(value) >= _SHORTEST and redact(f"{name}={value}") != f"{name}={value}"
            ),
            key=len,
            reverse=True,
        )

    def told(self, error: BaseException | None) -> str:
        """The text of an error, without credentials, and without the colours of a terminal."""
        text = redact(_plain(error))
        for value in self._values:
            text = text.replace(value, "***")
        return text

    def shown(self, error: BaseException | None) -> BaseException | None:
        """The error, to be shown as a cause; None when its text has a credential."""
        return error if error is not None and self.told(error) == _plain(error) else None


def _plain(error: BaseException | None) -> str:
    return _COLOUR.sub("", str(error))
