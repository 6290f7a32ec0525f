"""YAML as text and as plain data: what a person wrote beside the data stays when it is written.

The scalars are those of YAML 1.2, but a time is a text, for whoever reads it to judge.
"""

import io
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from metaxy.errors import MigrationFileError

if TYPE_CHECKING:
    from ruamel.yaml import YAML

_NEVER_FOLDED = 1_000_000
_SHORT_LIST = 8


def parsed(text: str, *, source: str) -> dict[str, object]:
    """The mapping that a YAML text is, as dicts, lists, texts, numbers, booleans and None.

    Args:
        text: One YAML document.
        source: Where it is from, for messages.

    Raises:
        MigrationFileError: It is no YAML, or no mapping, or has what JSON could not say.
    """
    plain = _plain(_tree(text, source=source), source=source)
    if not isinstance(plain, dict):
        found = "empty" if plain is None else f"a {type(plain).__name__}"
        raise MigrationFileError(
            f"{source} is no migration: it should be a mapping of keys such as 'id' and 'ops', "
            f"but is {found}."
        )
    return cast("dict[str, object]", plain)


def written(
    data: Mapping[str, object],
    *,
    over: str | None = None,
    respelled: Mapping[str, str] | None = None,
) -> str:
    """Data as YAML.

    Args:
        data: The whole mapping.
        over: A text that said something similar: comments, blank lines, quotes and the order of
            keys stay wherever the data is as it was, or is another value of the same key.
        respelled: Older names of keys that the text may have, and the names that they get.
    """
    document: object = None
    if over is not None:
        try:
            document = _tree(over, source="the text")
        except MigrationFileError:
            document = None  # it can't be read, so there is nothing to keep
    _respell(document, respelled or {})
    stream = io.StringIO()
    tree = _merged(document, data)
    _yaml().dump(tree, stream)
    return stream.getvalue()


def as_comment(text: str, *, indent: int = 0) -> str:
    """A text as lines of a comment; what can't be printed is escaped."""
    space = " " * indent
    lines = text.splitlines() or [""]
    return "".join(f"{space}# {_printable(line)}".rstrip() + "\n" for line in lines)


def create_file(path: Path, text: str) -> None:
    """Make a file that isn't there yet, whole or not at all.

    Raises:
        FileExistsError: It is there.
    """
    temporary = _temporary_file(path, text)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()


def replace_file(path: Path, text: str) -> None:
    """Put a file in place of one that may be there, whole or not at all."""
    temporary = _temporary_file(path, text)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise


def _temporary_file(path: Path, text: str) -> Path:
    """A file beside the path; its name begins with a dot, so that it is no migration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary = Path(file.name)
    temporary.chmod(0o666 & ~_umask())
    return temporary


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _yaml() -> "YAML":
    from ruamel.yaml import YAML  # noqa: PLC0415 -- only who has migrations needs it
    from ruamel.yaml.constructor import RoundTripConstructor  # noqa: PLC0415

    class Constructor(RoundTripConstructor):
        """Takes times for texts."""

    Constructor.add_constructor(
        "tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_scalar
    )
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = Constructor
    yaml.preserve_quotes = True
    yaml.allow_unicode = True
    yaml.width = _NEVER_FOLDED
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _tree(text: str, *, source: str) -> object:
    """What ruamel.yaml makes of a text: containers that know their comments."""
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        return cast("object", _yaml().load(text))
    except YAMLError as error:
        raise MigrationFileError(f"{source} is no YAML: {_told(error)}") from error


def _told(error: Exception) -> str:
    """What is wrong and where, without advice on how to use the parser."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{problem}{where}."


def _plain(value: object, *, source: str) -> object:
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        wrong = [key for key in entries if not isinstance(key, str)]
        if wrong:
            raise MigrationFileError(
                f"{source} has the key {_number(wrong[0])}, which is no text: put it in quotes."
            )
        return {str(key): _plain(item, source=source) for key, item in entries.items()}
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_plain(item, source=source) for item in items]
    return _scalar(value, source=source)


def _scalar(value: object, *, source: str) -> object:
    if value is None or isinstance(value, bool):
        return value
    if type(value).__name__ == "ScalarBoolean":
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise MigrationFileError(
        f"{source} has the value {_number(value)}, which is no text, number, list or mapping. If "
        "it is meant as a text, put it in quotes."
    )


def _number(value: object) -> str:
    return repr(float(value)) if isinstance(value, float) else repr(value)


def _respell(document: Any, names: Mapping[str, str]) -> None:  # noqa: ANN401
    """Give keys other names, in their places and with their comments, at any depth."""
    if isinstance(document, list):
        for item in cast("list[Any]", document):
            _respell(item, names)
    if not isinstance(document, dict):
        return
    tree = cast("Any", document)
    for at, key in enumerate(list(tree)):
        _respell(tree[key], names)
        if key in names and names[key] not in tree:
            comment = tree.ca.items.pop(key, None)
            tree.insert(at, names[key], tree.pop(key))
            if comment is not None:
                tree.ca.items[names[key]] = comment


def _merged(document: Any, data: Any) -> object:  # noqa: ANN401 -- ruamel.yaml has no types
    """The data in the containers of a document, which know their comments."""
    known = cast("object", document)
    if isinstance(document, dict) and isinstance(data, Mapping):
        return _merged_mapping(cast("Any", document), cast("Mapping[str, object]", data))
    if isinstance(document, list) and isinstance(data, list):
        return _merged_list(cast("Any", document), cast("list[Any]", data))
    return known if _same(known, data) else _styled(data)


def _merged_mapping(document: Any, data: Mapping[str, object]) -> object:  # noqa: ANN401
    for key in [key for key in document if key not in data]:
        del document[key]
    for key, value in data.items():
        if key not in document:
            document[key] = _styled(value)
        elif isinstance(value, str) and not _same(document[key], value):
            _replace_text(document, key, value)
        else:
            document[key] = _merged(document[key], value)
    return document


def _replace_text(document: Any, key: str, value: str) -> None:  # noqa: ANN401
    """Put a text in place of another value; quotes stay, but blocks can't hold every text."""
    from ruamel.yaml.scalarstring import (  # noqa: PLC0415
        DoubleQuotedScalarString,
        SingleQuotedScalarString,
    )

    quotes = DoubleQuotedScalarString | SingleQuotedScalarString
    if not isinstance(document[key], quotes):
        document[key] = None  # or the new text would be written as a block, too
    document[key] = _text(value)


def _merged_list(document: Any, data: list[Any]) -> object:  # noqa: ANN401
    """Items with an `id` are recognised by it; others stay only if the whole list does."""
    by_id = {_id_of(item): item for item in document if _id_of(item) is not None}
    if not by_id:
        return document if _same(document, data) else _styled(data)
    merged = [
        _merged(by_id[_id_of(item)], item) if _id_of(item) in by_id else _styled(item)
        for item in data
    ]
    moved = [_number_of(document, item) for item in merged]
    comments = dict(document.ca.items)
    document[:] = []
    document.extend(merged)
    document.ca.items.clear()
    document.ca.items.update(
        {new: comments[old] for new, old in enumerate(moved) if old is not None and old in comments}
    )
    return document


def _id_of(item: object) -> str | None:
    found = cast("Mapping[str, object]", item).get("id") if isinstance(item, Mapping) else None
    return found if isinstance(found, str) else None


def _number_of(document: Sequence[object], item: object) -> int | None:
    return next((n for n, each in enumerate(document) if each is item), None)


def _same(document: object, data: object) -> bool:
    try:
        plain = _plain(document, source="the text")
    except MigrationFileError:
        return False
    return plain == data and type(plain) is type(data)


def _styled(value: object) -> object:
    """New containers: a list of short scalars on one line, everything else a line each."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq  # noqa: PLC0415

    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return CommentedMap({key: _styled(item) for key, item in entries.items()})
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        made = CommentedSeq([_styled(item) for item in items])
        if len(items) <= _SHORT_LIST and not any(isinstance(i, Mapping | list) for i in items):
            made.fa.set_flow_style()
        return made
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    """A text in quotes in which all can be escaped, unless it is a line of plain characters."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415

    return value if value.isprintable() else DoubleQuotedScalarString(value)


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
