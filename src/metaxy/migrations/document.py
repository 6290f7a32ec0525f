"""What all migrations say of themselves, and how that is written as YAML; no lake is needed.

What they say in particular, and how a file is read, is for `models`.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self, cast

from pydantic import BaseModel, ConfigDict, PrivateAttr, field_validator

from metaxy.errors import MigrationFileError
from metaxy.hashing import Encodable, digest
from metaxy.migrations import yaml_text
from metaxy.migrations.spelling import FORMAT, OLDER_NAMES

INITIAL: Final = "initial"
"""The parent of a migration that is the first one."""

_CONTENT_DOMAIN: Final = "metaxy/migration/1"
_ID_CHARACTERS: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
)


class MigrationDocument(BaseModel):
    """A migration as what it says; frozen. What its fields mean is told by `models.Migration`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    migration_id: str
    created_at: datetime
    parent: str = INITIAL
    description: str = ""
    project: str | None = None

    _content_hash: str | None = PrivateAttr(default=None)

    @property
    def content_hash(self) -> str:
        """A hash over what it says, by which an edit is seen; comments don't count."""
        if self._content_hash is not None:
            return self._content_hash
        said = self.model_dump(mode="json", fallback=str)
        return digest(_CONTENT_DOMAIN, [type(self).__qualname__, cast("Encodable", said)])

    def hashed_as(self, content: str) -> Self:
        """A copy whose content hash is that of a text, such as the code of its class."""
        copy = self.model_copy()
        copy._content_hash = digest(_CONTENT_DOMAIN, content)  # noqa: SLF001 -- of its own class
        return copy

    def to_data(self) -> dict[str, object]:
        """Give it as a file has it: JSON data in the canonical spelling.

        Raises:
            MigrationFileError: It is Python code, which no YAML can say.
        """
        raise MigrationFileError(
            f"{self.migration_id!r} is a {type(self).__name__}, which no YAML file can hold: keep "
            "it as a Python file.",
            migration=self.migration_id,
        )

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Give it as YAML, and write that to a file if there is a path.

        Of a file that is there already, comments and layout stay.

        Raises:
            MigrationFileError: It is Python code, which no YAML can say.
        """
        data = self.to_data()
        file = None if path is None else Path(path)
        over = file.read_text(encoding="utf-8") if file is not None and file.exists() else None
        text = yaml_text.written(data, over=over, respelled=OLDER_NAMES)
        if file is not None:
            yaml_text.replace_file(file, text)
        return text

    @field_validator("migration_id", "parent")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not value or not _ID_CHARACTERS.issuperset(value):
            raise ValueError("an id has letters, digits, '_' and '-', and at least one")
        return value

    @field_validator("created_at")
    @classmethod
    def _has_time_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("it has no time zone; write for instance 2026-01-31T12:00:00Z")
        return value.astimezone(UTC)

    def _head(self) -> dict[str, object]:
        """What all files begin with."""
        head: dict[str, object] = {
            "version": FORMAT,
            "id": self.migration_id,
            "parent": self.parent,
            "description": self.description,
            "created_at": self.created_at.isoformat().replace("+00:00", "Z"),
        }
        if self.project is not None:
            head["project"] = self.project
        return head
