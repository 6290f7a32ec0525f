"""The fields of a feature: parts of its data that are versioned on their own."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias, cast

from pydantic import BeforeValidator

from metaxy.models.frozen import ArgumentError, FrozenModel, one_or_many
from metaxy.models.keys import CoercibleToFeatureKey, CoercibleToFieldKey, FeatureKey, FieldKey


class SpecialFieldDep(Enum):
    """Words that stand where fields are listed."""

    ALL = "*"


ALL: Final = SpecialFieldDep.ALL
"""All fields: of one upstream (`FieldDep.fields`) or of every upstream (`FieldSpec.deps`)."""

_All: TypeAlias = Literal[SpecialFieldDep.ALL]


def _keys_or_all(value: object) -> object:
    return ALL if value in (ALL, ALL.value) else one_or_many(value)


def _deps_or_all(value: object) -> object:
    if value in (ALL, ALL.value):
        return ALL
    deps = one_or_many((value,) if isinstance(value, FieldDep) else value)
    if isinstance(deps, tuple):
        for dep in cast("tuple[object, ...]", deps):
            if not isinstance(dep, FieldDep | Mapping):
                raise ArgumentError(f"write FieldDep(feature, fields) instead of {dep!r}")
    return cast("object", deps)


def _code_version(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ArgumentError(f"write a text or a whole number, such as '1'; got {value!r}")
    return str(value)


class FieldDep(FrozenModel):
    """Fields of one upstream feature that a field is made from."""

    _positional: ClassVar[tuple[str, ...]] = ("feature", "fields")

    feature: FeatureKey
    fields: Annotated[_All | tuple[FieldKey, ...], BeforeValidator(_keys_or_all)] = ALL

    if TYPE_CHECKING:

        def __init__(
            self,
            feature: CoercibleToFeatureKey,
            fields: _All | str | Sequence[CoercibleToFieldKey] = ALL,
        ) -> None: ...


class FieldSpec(FrozenModel):
    """One field: its name, the version of the code that makes it, and what it is made from.

    Attributes:
        code_version: Changes when the code would give other results; a number is taken as text.
        deps: None leaves it to the fields mappings of the feature's dependencies. A list says all
            of it: upstream fields that are not in it do not count, and `[]` means none at all.
            `ALL` is all fields of all upstream features.
    """

    _positional: ClassVar[tuple[str, ...]] = ("key", "code_version")

    key: FieldKey = FieldKey("default")
    code_version: Annotated[str, BeforeValidator(_code_version)] = "1"
    deps: Annotated[_All | tuple[FieldDep, ...] | None, BeforeValidator(_deps_or_all)] = None
    description: str | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            key: CoercibleToFieldKey = "default",
            code_version: str | int = "1",
            *,
            deps: _All | Sequence[FieldDep] | None = None,
            description: str | None = None,
        ) -> None: ...

    def _faults(self) -> Iterable[str]:
        if not self.code_version:
            yield "'code_version' is empty"
        deps = self.deps if isinstance(self.deps, tuple) else ()
        for feature, count in Counter(dep.feature for dep in deps).items():
            if count > 1:
                yield f"'deps' has {str(feature)!r} {count} times; one FieldDep has all its fields"
