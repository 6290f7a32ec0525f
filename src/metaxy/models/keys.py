"""The names of features and fields.

A key is one or more parts. As text the parts are joined by `/`. What a lone key must fulfil is
checked here; that two keys of a graph do not share a path or a column is checked by `graph`, with
`collision_form`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias, cast

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from metaxy.errors import InvalidKeyError

SYSTEM_PREFIX = "metaxy-system"
MAX_KEY_LENGTH = 200

_PART = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, order=True, init=False, repr=False)
class _Key:
    """Parts that are each a plain name; equal and ordered by them, within one kind of key."""

    parts: tuple[str, ...]

    kind: ClassVar[str] = "key"

    def __init__(self, key: object, /, *more: str) -> None:
        parts = (*_parts(key, self.kind), *more)
        faults = _faults(self._judged(parts))
        if faults:
            text = "/".join(map(str, parts))
            raise InvalidKeyError(f"The {self.kind} {text!r} is not valid", faults, key=text)
        object.__setattr__(self, "parts", parts)

    @classmethod
    def _judged(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The parts that must be plain names."""
        return parts

    def to_string(self) -> str:
        """Give the parts joined by `/`, from which the constructor makes the key again."""
        return "/".join(self.parts)

    def __str__(self) -> str:
        return self.to_string()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_string()!r})"

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    @classmethod
    def _from_any(cls, value: object) -> Self:
        return value if isinstance(value, cls) else cls(value)

    @classmethod
    def __get_pydantic_core_schema__(
        cls,
        source: Any,  # noqa: ANN401 — pydantic hands over whatever was annotated
        handler: GetCoreSchemaHandler,
    ) -> core_schema.CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(
            cls._from_any,
            serialization=core_schema.plain_serializer_function_ser_schema(_json_parts),
        )


@dataclass(frozen=True, slots=True, order=True, init=False, repr=False)
class FeatureKey(_Key):
    """The name of a feature: `FeatureKey("video/file")`, or its parts, or a feature class.

    Raises:
        InvalidKeyError: With everything that is wrong with the key.
    """

    kind: ClassVar[str] = "feature key"

    @classmethod
    def _judged(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        # Such a key names a table to read; that no feature has it is a rule of FeatureSpec.
        return parts[1:] if len(parts) > 1 and parts[0] == SYSTEM_PREFIX else parts

    @classmethod
    def system(cls, name: str) -> Self:
        """Give the key of a table of metaxy's own, which no feature can have."""
        return cls((SYSTEM_PREFIX, name))

    @property
    def is_system(self) -> bool:
        """Whether this names a table of metaxy's own."""
        return self.parts[0] == SYSTEM_PREFIX

    @property
    def table_name(self) -> str:
        """The key as one name that every SQL engine and file system takes."""
        return "__".join(self.parts).replace("-", "_")


@dataclass(frozen=True, slots=True, order=True, init=False, repr=False)
class FieldKey(_Key):
    """The name of a field within its feature: `FieldKey("audio")`, or its parts.

    Raises:
        InvalidKeyError: With everything that is wrong with the key.
    """

    kind: ClassVar[str] = "field key"

    @property
    def column_name(self) -> str:
        """The name of the struct field in columns such as `metaxy_provenance_by_field`."""
        return "_".join(self.parts)


CoercibleToFeatureKey: TypeAlias = str | Sequence[str] | FeatureKey | type[object]
"""What is taken for a feature: its key in any form, or its class."""

CoercibleToFieldKey: TypeAlias = str | Sequence[str] | FieldKey


def collision_form(key: FeatureKey | FieldKey) -> str:
    """Give the text that two keys share if they may not stand beside each other.

    Keys of one form could meet in a table path (nested or flat, also where case is ignored), in a
    struct field or in a SQL name.
    """
    return "_".join(key.parts).replace("-", "_").casefold()


def _parts(key: object, kind: str) -> tuple[str, ...]:
    """Take a key apart, whatever form it has, without judging the parts."""
    if isinstance(key, type):
        return _key_of_class(key, kind).parts
    if isinstance(key, _Key):
        return key.parts
    if isinstance(key, str):
        return tuple(key.split("/"))
    if isinstance(key, Sequence) and not isinstance(key, bytes):
        parts = tuple(part for part in key if isinstance(part, str))
        if len(parts) == len(key):
            return parts
    shown = _shown(key)
    raise InvalidKeyError(
        f"{shown} is not a {kind}: give a text such as 'video/file' or a list of its parts",
        key=shown,
    )


def _shown(key: object) -> str:
    """Give small things as they are written; of others, such as a data frame, the class."""
    if key is None or isinstance(key, int | float | bytes | list | tuple):
        return repr(cast("object", key))
    return f"An object of the class '{type(key).__name__}'"


def _key_of_class(cls: type[object], kind: str) -> _Key:
    key: object = getattr(getattr(cls, "spec", None), "key", None)
    if isinstance(key, _Key):
        return key
    raise InvalidKeyError(
        f"The class {cls.__qualname__} is not a {kind}: it is no feature with a spec",
        key=cls.__qualname__,
    )


def _faults(parts: tuple[str, ...]) -> list[str]:
    if not parts:
        return ["it has no parts"]
    faults = [fault for part in dict.fromkeys(parts) for fault in _part_faults(part)]
    length = len("/".join(parts))
    if length > MAX_KEY_LENGTH:
        faults.append(f"it has {length} characters, but at most {MAX_KEY_LENGTH} are allowed")
    return faults


def _part_faults(part: str) -> list[str]:
    if not part:
        return ["a part is empty; parts are joined by single slashes"]
    faults: list[str] = []
    if not _PART.fullmatch(part):
        wrong = "".join(dict.fromkeys(re.sub(_PART, "", part)))
        faults.append(f"the part {part!r} has {wrong!r}; allowed are letters, digits, '_' and '-'")
    if "__" in part:
        faults.append(f"the part {part!r} has '__', which separates parts in table names")
    if part.casefold() == SYSTEM_PREFIX:
        faults.append(f"{part!r} is reserved for the tables of metaxy's own")
    elif part.casefold().startswith(("metaxy_", "metaxy-")):
        faults.append(f"the part {part!r} begins with {part[:7]!r}, which is reserved")
    return faults


def _json_parts(key: _Key) -> list[str]:
    return list(key.parts)
