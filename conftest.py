"""Runs the Python examples of README.md and docs/ as tests.

The blocks of a page are run in order and share their names. Each page starts in an empty folder,
with no feature declared and no setting in force. `<!-- skip: next -->` leaves out the block after
it.
"""

import os
import tempfile
from contextlib import ExitStack, chdir
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from metaxy.config import MetaxyConfig
from metaxy.feature.registry import FeatureRegistry

_STACK = "_page"


def _enter_page(namespace: dict[str, Any]) -> None:
    stack = namespace[_STACK] = ExitStack()
    stack.enter_context(chdir(stack.enter_context(tempfile.TemporaryDirectory())))
    stack.enter_context(FeatureRegistry().use())
    stack.callback(MetaxyConfig.reset)
    stack.callback(os.environ.update, dict(os.environ))


def _leave_page(namespace: dict[str, Any]) -> None:
    namespace[_STACK].close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/**/*.md", "docs/*.md"],
    setup=_enter_page,
    teardown=_leave_page,
).pytest()
