"""What the definitions have in common: values that do not change, and errors that can be read.

`FrozenModel` is the base of every definition: a pydantic model that is frozen, hashes, refuses
unknown keywords, and tells all that is wrong with its arguments in one `DefinitionError`.
`FrozenMap` and `frozen_json` keep what hangs below such a model from changing.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, Self, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, core_schema

from metaxy.errors import DefinitionError, InvalidKeyError, did_you_mean, listed

_WANTED: Final = "Input should be "
_MODEL: Final = re.compile(r"a valid dictionary or instance of (\w+)")
_ENUM_MEMBER: Final = re.compile(r"<\w+\.(\w+): [^>]*>")
_TYPES: Final = {
    "tuple_type": "a list or a tuple",
    "list_type": "a list",
    "dict_type": "a dict",
    "string_type": "a text",
    "bool_type": "True or False",
    "bool_parsing": "True or False",
}
"""What pydantic calls by other names."""

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)


class FrozenMap(Mapping[K, V_co], Generic[K, V_co]):
    """A mapping that cannot be changed and therefore hashes; it keeps the order it was given."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V_co] | None = None) -> None:
        self._items: dict[K, V_co] = dict(items or {})

    def __getitem__(self, key: K) -> V_co:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    @classmethod
    def __get_pydantic_core_schema__(
        cls,
        source: Any,  # noqa: ANN401 — pydantic hands over whatever was annotated
        handler: GetCoreSchemaHandler,
    ) -> core_schema.CoreSchema:
        key_type, value_type = get_args(source) or (str, Any)
        entries = core_schema.dict_schema(
            handler.generate_schema(key_type), handler.generate_schema(value_type)
        )
        return core_schema.no_info_before_validator_function(
            _as_dict,
            core_schema.no_info_after_validator_function(cls, entries),
            serialization=core_schema.plain_serializer_function_ser_schema(thawed),
        )


def frozen_json(value: object) -> object:
    """Give a JSON value in a form that cannot be changed: tuples for lists, `FrozenMap` for dicts.

    Raises:
        ArgumentError: The value, or one inside it, is not JSON; says where.
    """
    return _frozen(value, at="")


def thawed(value: object) -> object:
    """Undo `frozen_json`: lists and dicts again."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {key: thawed(item) for key, item in entries.items()}
    if isinstance(value, tuple):
        return [thawed(item) for item in cast("tuple[object, ...]", value)]
    return value


def one_or_many(value: object) -> object:
    """Give a sequence as a tuple, and one text as a tuple of it, for "a name or names".

    Anything else passes, for pydantic to judge; but a set is refused, because it has no order and
    what was written would come back in another one.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, set | frozenset):
        names = cast("set[object]", value)
        raise ArgumentError(f"a set has no order: write {sorted(map(str, names))!r}")
    if isinstance(value, Sequence):
        return tuple(value)
    return value


class FrozenModel(BaseModel):
    """A definition as a value: frozen, hashable, and strict about its arguments.

    Subclasses name in `_positional` the arguments that may be given by position, and tell in
    `_faults` what is wrong with a value whose fields are each right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    _positional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, /, *args: object, **data: object) -> None:
        named = self._named(args, data)
        try:
            super().__init__(**named)
        except ValidationError as error:
            faults = fault_sentences(
                error, known=type(self).model_fields, told=self._positional[:1]
            )
            raise DefinitionError(f"{self._subject(named)} is not valid", faults) from None

    def _faults(self) -> Iterable[str]:
        return ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = tuple(self._faults())
        if faults:
            raise _FaultsError(faults)
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show what differs from the defaults."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if field.is_required() or value != field.get_default(call_default_factory=True):
                yield (None if name in self._positional[:1] else name), value

    @classmethod
    def _named(cls, args: tuple[object, ...], data: dict[str, object]) -> dict[str, object]:
        names = cls._positional
        if len(args) > len(names):
            raise DefinitionError(
                f"{cls.__name__} takes {listed(names)} by position, but got {len(args)} arguments; "
                "name the others"
            )
        twice = [name for name in names[: len(args)] if name in data]
        if twice:
            raise DefinitionError(f"{cls.__name__} got {listed(twice)} both by position and name")
        return dict(zip(names, args, strict=False)) | data

    @classmethod
    def _subject(cls, data: Mapping[str, object]) -> str:
        name = data.get(cls._positional[0]) if cls._positional else None
        if isinstance(name, list | tuple):
            name = "/".join(map(str, cast("Sequence[object]", name)))
        shown = name.__qualname__ if isinstance(name, type) else repr(name)
        return f"{cls.__name__}({shown})" if name is not None else cls.__name__


def fault_sentences(
    error: ValidationError, *, known: Iterable[str], told: Sequence[str] = ()
) -> tuple[str, ...]:
    """Put what pydantic found into words, a sentence a fault, in its order and each once.

    Args:
        error: What pydantic raised.
        known: The names of the arguments there are, to guess at slips.
        told: Those whose values the message shows already.
    """
    errors = _joined(error.errors())
    found = (sentence for each in errors for sentence in _sentences(each, known, told))
    return tuple(dict.fromkeys(found))


class ArgumentError(ValueError):
    """What a validator says of one argument; a ValueError, since pydantic lets only those pass."""


class _FaultsError(ValueError):
    """What `FrozenModel._faults` says of a whole value."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def _joined(errors: Iterable[ErrorDetails]) -> Iterable[ErrorDetails]:
    """Make one of those that say what else one value could have been."""
    joined: list[ErrorDetails] = []
    wanted: dict[str, list[str]] = {}
    for each in errors:
        if not each["msg"].startswith(_WANTED):
            joined.append(each)
            continue
        place = _place(each)
        if place not in wanted:
            joined.append(each)
        wanted.setdefault(place, []).append(_wanted(each))
    for each in joined:
        if each["msg"].startswith(_WANTED):
            each["msg"] = _WANTED + " or ".join(dict.fromkeys(wanted[_place(each)]))
    return joined


def _place(error: ErrorDetails) -> str:
    """Where a value stands, as it would be written: `deps[0]`."""
    place = ""
    for part in error["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part.isidentifier():  # others are pydantic's own names, of the kinds of a union
            place += f".{part}" if place else part
    return place


def _wanted(error: ErrorDetails) -> str:
    """What a value should be, in Python's words rather than pydantic's."""
    said = error["msg"].removeprefix(_WANTED)
    named = _ENUM_MEMBER.sub(r"\1", said)
    if found := _MODEL.fullmatch(said):
        return f"a {found[1]}"
    return _TYPES.get(error["type"], named)


def _sentences(error: ErrorDetails, known: Iterable[str], told: Sequence[str]) -> Sequence[str]:
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, _FaultsError):
        return cause.faults
    place = _place(error)
    is_shown = place in told and isinstance(error["input"], str | list | tuple)
    if is_shown and isinstance(cause, InvalidKeyError) and cause.faults:
        return cause.faults
    if error["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return [f"it takes no {place!r}.{did_you_mean(place, known)}"]
    if error["type"] == "missing":
        return [f"it needs {place!r}"]
    if cause is not None:
        return [f"{place!r}: {cause}" if place else str(cause)]
    return [f"{place!r} should be {error['msg'].removeprefix(_WANTED)}, got {error['input']!r}"]


def _as_dict(value: object) -> object:
    return dict(cast("Mapping[object, object]", value)) if isinstance(value, Mapping) else value


def _frozen(value: object, *, at: str) -> object:
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        wrong = [key for key in entries if not isinstance(key, str)]
        if wrong:
            raise ArgumentError(f"{at or 'it'} has the key {wrong[0]!r}; JSON keys are texts")
        return FrozenMap({key: _frozen(item, at=f"{at}[{key!r}]") for key, item in entries.items()})
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return tuple(_frozen(item, at=f"{at}[{i}]") for i, item in enumerate(items))
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ArgumentError(f"{at or 'it'} is {value!r}, which JSON cannot say")
