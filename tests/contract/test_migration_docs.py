"""What the pages on migrations show is what the code has: files that load, messages that come."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from metaxy.migrations import DiffMigration, Migration
from metaxy.migrations.models import FeatureVersionsMigration

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ROOT / "docs/reference/migration-files.md"
GUIDE: Final = ROOT / "docs/how-to/migrate.md"
ANYTHING: Final = "…"


def test_the_files_of_the_reference_load(tmp_path: Path) -> None:
    """In the canonical format and in the oldest, which is written as the first."""
    kinds: list[type[Migration]] = []
    for number, text in enumerate(_yaml_blocks(FILES)):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        migration = Migration.from_yaml(file)
        kinds.append(type(migration))

        assert Migration.from_yaml(_written(migration, tmp_path)) == migration

    assert kinds == [DiffMigration, FeatureVersionsMigration]


def test_the_messages_of_the_guide_come_from_the_code() -> None:
    """Each part of a message that stands in the table is a part of some text in the code."""
    texts = "\n".join(text for file in (ROOT / "src").rglob("*.py") for text in _texts_in(file))
    table = GUIDE.read_text(encoding="utf-8").partition("## Troubleshooting")[2]
    messages = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    parts = [part.strip("' ()") for each in messages for part in each.split(ANYTHING)]
    long = [part for part in parts if len(part) > 1]

    assert len(messages) > 12
    assert [part for part in long if part not in texts] == []


def _yaml_blocks(page: Path) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def _written(migration: Migration, folder: Path) -> Path:
    file = folder / f"written_{migration.migration_id}.yaml"
    migration.to_yaml(file)
    return file


def _texts_in(file: Path) -> Iterator[str]:
    """Every text that a module writes out, with `ANYTHING` for what is filled in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(each.value) if isinstance(each, ast.Constant) else ANYTHING
                for each in node.values
            )
