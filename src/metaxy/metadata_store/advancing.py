"""What a table says after a few more commits, without delta-rs reading them from an object store.

delta-rs takes three requests to take in a commit, after the one that told of it; reading the commit
takes one. Most commits only add files. What they add is worked out by delta-rs itself, from a small
table in a temporary folder that has just these commits; what it shows is put before what was known.
Of any other commit `advanced` gives None, and delta-rs has to be asked.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote

Answers = Mapping[str, Any]
"""What a table says, under the names of the methods of delta-rs's own table object."""
Ask = Callable[[Path], Answers]
"""Opens a local table, and gives its answers."""

_PLAIN_ACTIONS: Final = frozenset({"add", "commitInfo", "txn"})


def advanced(answers: Answers, commits: Sequence[bytes], *, ask: Ask) -> Answers | None:
    """What a table says after commits; None where that isn't plain to see.

    Args:
        answers: What it said before.
        commits: The files of the log that follow, without a gap.
        ask: As the answers were got.
    """
    if not all(_only_adds(commit) for commit in commits):
        return None
    with tempfile.TemporaryDirectory(prefix="metaxy-log-") as name:
        log = Path(name) / "_delta_log"
        log.mkdir()
        (log / f"{0:020}.json").write_text(_beginning(answers))
        for number, commit in enumerate(commits, start=1):
            (log / f"{number:020}.json").write_bytes(commit)
        return _joined(answers, ask(Path(name)), folder=name, version_after=len(commits))


def _only_adds(commit: bytes) -> bool:
    """Whether a commit does nothing but add whole files."""
    try:
        actions: list[dict[str, Any]] = [json.loads(line) for line in commit.splitlines() if line]
    except ValueError:
        return False
    added = [action["add"] for action in actions if "add" in action]
    return _PLAIN_ACTIONS.issuperset(name for action in actions for name in action) and not any(
        each.get("deletionVector") or each.get("partitionValues") for each in added
    )


def _beginning(answers: Answers) -> str:
    """A first commit that makes a table of the same columns and settings."""
    metadata = answers["metadata"]()
    reader, writer, reader_features, writer_features = answers["protocol_versions"]()
    protocol = {
        "minReaderVersion": reader,
        "minWriterVersion": writer,
        "readerFeatures": reader_features,
        "writerFeatures": writer_features,
    }
    told: dict[str, Any] = {
        "id": metadata.id,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": answers["schema"].to_json(),
        "partitionColumns": metadata.partition_columns,
        "configuration": metadata.configuration,
        "createdTime": metadata.created_time,
    }
    given = {name: value for name, value in protocol.items() if value is not None}
    return f"{json.dumps({'protocol': given})}\n{json.dumps({'metaData': told})}\n"


def _joined(before: Answers, more: Answers, *, folder: str, version_after: int) -> Answers | None:
    """Both together; None if they don't go together, as after a commit that was made twice."""
    version = before["version"]() + version_after
    root = before["table_uri"]().rstrip("/")
    added = [f"{root}/{uri.removeprefix(f'{folder}/')}" for uri in more["all_file_uris"]]
    known = before["all_file_uris"]
    if set(added).intersection(map(unquote, known)):
        return None
    tables = {name: (more[name], before[name]) for name in ("flat_add_actions", "add_actions")}
    if any(new.schema != old.schema for new, old in tables.values()):
        return None
    sizes = before["get_add_file_sizes"]() | more["get_add_file_sizes"]()
    return {
        **before,
        "version": lambda: version,
        "get_add_file_sizes": lambda: sizes,
        "all_file_uris": [*added, *known],
        **{name: _stacked(*both) for name, both in tables.items()},
    }


def _stacked(first: Any, second: Any) -> Any:  # noqa: ANN401 -- tables of a library without types
    """The rows of two Arrow tables of the same columns."""
    batches = [*first.to_batches(), *second.to_batches()]
    return cast("Any", type(second)).from_batches(batches, schema=second.schema)
