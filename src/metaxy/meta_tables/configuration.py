"""What parametrises a node, and the hash that names a node with its parameters."""

import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from metaxy.errors import listed
from metaxy.hashing import Encodable, digest, encode
from metaxy.meta_tables.declaring import class_path
from metaxy.meta_tables.storage import PlatformManagedMetaTable, StorageClass
from metaxy.meta_tables.storage import is_storage_class as _is_storage_class

DOMAIN: Final = "metaxy/update-hash/1"
EXCLUDED: Final = "hash_excluded"
_DIGITS: Final = 32
_FORBIDDEN_EXTRAS: Final = ("update_only", "runtime_only", "ignore_from_storage_hash")
_FORBIDDEN_FIELDS: Final = frozenset(
    {"storage_table", "storage_hash", "data_source_uid", "meta_table_uid", "table_metadata"}
    | {"column_metadata", "index_names", "time_index_name"}
)
_namespace: ContextVar[str] = ContextVar("metaxy_hash_namespace", default="")


class DataNodeConfiguration(BaseModel):
    """The base of the parameters of nodes: frozen, and strict about its arguments.

    Every field counts for the hash of the node, with its name and its value, unless it has
    `json_schema_extra={"hash_excluded": True}`. What a table is, is said by its storage class, so
    that fields which would say it here are refused.

    Raises:
        TypeError: A field says something of the table.
        ValueError: `hash_excluded` is neither True nor False.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 -- as pydantic has it
        super().__pydantic_init_subclass__(**options)
        for name, info in cls.model_fields.items():
            _check_field(cls, name, info)


@contextmanager
def hash_namespace(namespace: str) -> Generator[None]:
    """Give the nodes made inside the block, and what they depend on, other hashes.

    They update the same tables; runs of a test or a trial can thus be told from the real ones.

    Args:
        namespace: "" is none.
    """
    token = _namespace.set(namespace)
    try:
        yield
    finally:
        _namespace.reset(token)


def enter_hash_namespace(namespace: str) -> None:
    """Let the block around be of another namespace from here on."""
    _namespace.set(namespace)


def namespace_in_force(given: str | None) -> str:
    """The namespace that a node is given or, if it is given none, that of the block around it."""
    return _namespace.get() if given is None else given


def update_hash(
    node: type, configuration: DataNodeConfiguration, *, project: str, namespace: str
) -> str:
    """The name of a node with its parameters: its class, and a digest of what it computes with.

    Which table it writes to is not part of it.

    Raises:
        TypeError: A field holds something that has no hash.
    """
    said: dict[str, Encodable] = {
        "class": class_path(node),
        "project": project,
        "configuration": hashable(configuration, at="configuration"),
    }
    if namespace:
        said["namespace"] = namespace
    return f"{node.__name__}_{digest(DOMAIN, said)[:_DIGITS]}"


def storage_classes_in(value: object) -> list[StorageClass]:
    """All storage classes that a configuration holds, at any depth, each once."""
    return list(dict.fromkeys(_storage_classes(value)))


def hashable(value: object, *, at: str) -> Encodable:
    """A value as it counts for a hash: equal ones alike, in whatever zone, order or process.

    Args:
        at: Where it stands, for messages.
    """
    named = _named(value, at=at)
    if named is not None:
        return named
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    return _gathered(value, at=at)


def _gathered(value: object, *, at: str) -> Encodable:
    """Mappings, sets and sequences, each by its kind."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        pairs = [[hashable(k, at=at), hashable(v, at=f"{at}[{k!r}]")] for k, v in entries.items()]
        return ["mapping", sorted(pairs, key=encode)]
    if isinstance(value, AbstractSet):
        return ["set", sorted((hashable(each, at=at) for each in value), key=encode)]
    if isinstance(value, Sequence):
        return [
            "sequence",
            *(hashable(each, at=f"{at}[{place}]") for place, each in enumerate(value)),
        ]
    raise TypeError(
        f"{at} is a {type(value).__name__}, of which no hash can be made that is the same in every "
        "process: use plain values, pydantic models or storage classes, or exclude the field with "
        'json_schema_extra={"hash_excluded": True}'
    )


def _named(value: object, *, at: str) -> Encodable:
    """Classes, models, members and scalars of other types than JSON's; None for anything else."""
    if isinstance(value, type):
        return ["class", _class_name(value)]
    if isinstance(value, BaseModel):
        return ["model", class_path(type(value)), _model(value, at=at)]
    if isinstance(value, Enum):
        return ["enum", class_path(type(value)), value.name]
    return _scalar(value)


def _scalar(value: object) -> Encodable:
    """Times, decimals and the like; None for anything else."""
    match value:
        case datetime():
            is_aware = value.utcoffset() is not None
            return ["instant" if is_aware else "naive", _in_utc(value).isoformat()]
        case date() | time():
            return [type(value).__name__, value.isoformat()]
        case timedelta():
            return ["duration", value // timedelta(microseconds=1)]
        case Decimal():
            return ["decimal", str(value.normalize())]
        case UUID() | PurePath():
            return ["uuid" if isinstance(value, UUID) else "path", str(value)]
        case _:
            return None


def _in_utc(value: datetime) -> datetime:
    return value if value.utcoffset() is None else value.astimezone(UTC)


def _class_name(value: type) -> str:
    if _is_storage_class(value):
        return str(cast("StorageClass", value).definition().contract.uid)
    return class_path(value)


def _model(value: BaseModel, *, at: str) -> dict[str, Encodable]:
    fields = type(value).model_fields
    excluded = {
        name
        for name, info in fields.items()
        if _is_excluded(info, where=f"{type(value).__qualname__}.{name}")
    }
    return {
        name: hashable(held, at=f"{at}.{name}")
        for name, held in _held(value).items()
        if name not in excluded
    }


def _held(value: BaseModel) -> dict[str, object]:
    """What a model holds by name: its fields, and the others of one that allows others."""
    fields = {name: getattr(value, name) for name in type(value).model_fields}
    return fields | dict(value.model_extra or {})


def _is_excluded(info: FieldInfo, *, where: str) -> bool:
    """Whether a field is left out of hashes.

    Raises:
        ValueError: What it says of that is neither True nor False.
    """
    said = _extras(info).get(EXCLUDED, False)
    if not isinstance(said, bool):
        raise ValueError(  # noqa: TRY004 -- the name is right, its value is not
            f"{where} has {EXCLUDED}={said!r}; it is True or False"
        )
    return said


def _extras(info: FieldInfo) -> Mapping[str, object]:
    extras = info.json_schema_extra
    return cast("Mapping[str, object]", extras) if isinstance(extras, Mapping) else {}


def _check_field(cls: type[BaseModel], name: str, info: FieldInfo) -> None:
    where = f"{cls.__qualname__}.{name}"
    if name in _FORBIDDEN_FIELDS:
        raise TypeError(
            f"{where}: what the table is, is said by a storage class and not by the parameters of "
            f"a node. A configuration has none of {listed(sorted(_FORBIDDEN_FIELDS))}"
        )
    extras = _extras(info)
    forbidden = [each for each in _FORBIDDEN_EXTRAS if each in extras]
    if forbidden:
        raise TypeError(
            f"{where} has {listed(forbidden)} in json_schema_extra, which is not known here: "
            f'{{"{EXCLUDED}": True}} leaves a field out of the hash'
        )
    _is_excluded(info, where=where)
    if name in cls.__annotations__ and not info.description:
        warnings.warn(
            f"{where} has no description: give Field(description=…), by which others tell what to "
            "set",
            stacklevel=4,  # the class statement, behind pydantic's metaclass
        )


def _storage_classes(value: object) -> Iterable[StorageClass]:
    if _is_storage_class(value):
        yield cast("StorageClass", value)
    elif isinstance(value, BaseModel):
        for held in _held(value).values():
            yield from _storage_classes(held)
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[object, object]", value).items():
            yield from _storage_classes(key)
            yield from _storage_classes(item)
    elif isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes):
        for item in cast("Iterable[object]", value):
            yield from _storage_classes(item)


def checked_storage_class(value: object, *, what: str) -> StorageClass:
    """A value that must be a storage class.

    Raises:
        TypeError: It isn't.
    """
    if _is_storage_class(value):
        return cast("StorageClass", value)
    shown = value.__qualname__ if isinstance(value, type) else repr(value)
    is_mixin = isinstance(value, type) and issubclass(value, PlatformManagedMetaTable)
    raise TypeError(
        f"{what} is {shown}, which is no storage class"
        + (" with a table" if is_mixin else "")
        + ": give a class derived from PlatformTimeIndexMetaTable and a declarative base"
    )
