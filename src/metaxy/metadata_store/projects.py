"""Whose features a store may write: its own project's, unless that is waived for a while."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from metaxy.errors import ProjectMismatchError
from metaxy.models.definition import FeatureDefinition


class ProjectGuard:
    """Refuses writes to features of other projects.

    Args:
        project: The project that is written for; None lets all pass.
    """

    def __init__(self, project: str | None) -> None:
        self.project = project
        self._waived = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["ProjectGuard"], tuple[str | None]]:
        """Travel without what is waived at the moment."""
        return ProjectGuard, (self.project,)

    def check(self, definition: FeatureDefinition) -> None:
        """Refuse a feature of another project.

        Raises:
            ProjectMismatchError: It is another project's, and the check isn't waived.
        """
        if self.project in (None, definition.project) or self._waived:
            return
        raise ProjectMismatchError(
            f"'{definition.key}' belongs to the project '{definition.project}', and this store "
            f"writes for '{self.project}'. Write it from its own project, or, for instance in a "
            "migration, inside `with store.allow_cross_project_writes():`.",
            got=definition.project,
            wanted=self.project,
            feature=str(definition.key),
        )

    @contextmanager
    def waived(self) -> Generator[None]:
        """Let writes to all projects pass inside the block, in all threads."""
        with self._lock:
            self._waived += 1
        try:
            yield
        finally:
            with self._lock:
                self._waived -= 1
