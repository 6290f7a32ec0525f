"""The three rounds of the demo."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from metaxy.demo.accounts import FeatureAccount
from metaxy.demo.edits import Edits, carry_out, plan_edits
from metaxy.demo.selection import Selection
from metaxy.demo.workspace import Workspace, opened_workspace

RoundName = Literal["new", "edited", "code"]


@dataclass(slots=True)
class Round:
    """One run of the project; filled while it is run.

    Attributes:
        name: What happened before: everything is new, files were edited, code was changed.
        accounts: By feature, upstreams first; complete when the round has been iterated.
        seconds: Of the whole run, the start of Python included.
    """

    name: RoundName
    workspace: Workspace
    accounts: dict[str, FeatureAccount] = field(default_factory=dict[str, FeatureAccount])
    seconds: float = 0.0

    def __iter__(self) -> Iterator[FeatureAccount]:
        """Run it, and give each feature when it is done."""
        started = time.perf_counter()
        for account in self.workspace.run():
            self.accounts[account.feature] = account
            yield account
        self.seconds = time.perf_counter() - started

    @property
    def left(self) -> int:
        """How many records are asked for when asked again: 0, or something is wrong."""
        return sum(account.left for account in self.accounts.values())


@dataclass(frozen=True, slots=True)
class Play:
    """The rounds, in a workspace that is set up."""

    workspace: Workspace
    edits: Edits

    @classmethod
    @contextmanager
    def set_up(cls, selection: Selection, *, keep: Path | None) -> Generator[Self]:
        """Make the workspace and choose the edits, for the length of a block.

        Args:
            keep: The folder to leave everything in; None removes it all after the block.
        """
        with opened_workspace(keep, source=selection.folder) as workspace:
            workspace.set_up(selection)
            yield cls(workspace, plan_edits(workspace.files, selection.files))

    def rounds(self) -> Iterator[Round]:
        """Give the rounds, each to be iterated before the next is asked for."""
        yield Round("new", self.workspace)
        carry_out(self.edits, self.workspace.files)
        yield Round("edited", self.workspace)
        self.workspace.change_code_version()
        yield Round("code", self.workspace)
