"""The definition of a feature as its author writes it.

Only what a spec shows by itself is checked here; whether it fits the features that it depends on
is for `metaxy.graph` to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import BeforeValidator

from metaxy.errors import listed
from metaxy.models.columns import is_system_column
from metaxy.models.fields import FieldSpec
from metaxy.models.fields_mapping import FieldsMapping
from metaxy.models.filters import SqlFilter
from metaxy.models.frozen import (
    ArgumentError,
    FrozenMap,
    FrozenModel,
    frozen_json,
    one_or_many,
)
from metaxy.models.keys import CoercibleToFeatureKey, FeatureKey, FieldKey
from metaxy.models.lineage import Lineage


def _nothing_as_empty(value: object) -> object:
    return {} if value is None else value


def _filters(value: object) -> object:
    return (value,) if isinstance(value, SqlFilter) else one_or_many(value)


def _deps(value: object) -> object:
    if isinstance(value, str | type | FeatureKey | FeatureDep):
        value = (value,)
    if not isinstance(value, Sequence):
        return value
    items = cast("Sequence[object]", value)
    return tuple(
        FeatureDep(cast("CoercibleToFeatureKey", item)) if _is_key(item) else item for item in items
    )


def _fields(value: object) -> object:
    value = (value,) if isinstance(value, FieldKey | FieldSpec) else one_or_many(value)
    if not isinstance(value, tuple):
        return value
    items = cast("tuple[object, ...]", value)
    return tuple(FieldSpec(item) if isinstance(item, str | FieldKey) else item for item in items)


def _lineage(value: object) -> object:
    if isinstance(value, str):
        raise ArgumentError(
            "write Lineage.identity(), Lineage.expansion(on=[…]) or Lineage.aggregation(on=[…]); "
            f"got {value!r}"
        )
    return value


def _mapping(value: object) -> object:
    """Tell a mapping of fields from a `FieldsMapping` that was stored."""
    if isinstance(value, Mapping) and "kind" not in value:
        fields = dict(cast("Mapping[object, object]", value))
        raise ArgumentError(f"write FieldsMapping.specific({fields!r})")
    return cast("object", value)


def _is_key(item: object) -> bool:
    return isinstance(item, str | type | FeatureKey | list | tuple)


class FeatureDep(FrozenModel):
    """A feature that another one is made from, and how its records enter.

    Attributes:
        columns: The upstream's columns that come along, by its names; None is all of them, `()`
            none but ids and versions.
        rename: From the upstream's names of columns to those that they have here.
        fields_mapping: Which of its fields count for which of ours, for fields without `deps`.
        filters: SQL conditions over the upstream's names. Records that do not fulfil all of them
            are not expected: filters are part of the definition and of its version.
        lineage: None is the feature's own `lineage`, and identity where that is None too.
        optional: Keeps records that this upstream lacks.
    """

    _positional: ClassVar[tuple[str, ...]] = ("feature",)

    feature: FeatureKey
    columns: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] | None = None
    rename: Annotated[FrozenMap[str, str], BeforeValidator(_nothing_as_empty)] = FrozenMap()
    fields_mapping: Annotated[FieldsMapping, BeforeValidator(_mapping)] = FieldsMapping.default()
    filters: Annotated[tuple[SqlFilter, ...], BeforeValidator(_filters)] = ()
    lineage: Annotated[Lineage | None, BeforeValidator(_lineage)] = None
    optional: bool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            feature: CoercibleToFeatureKey,
            *,
            columns: str | Sequence[str] | None = None,
            rename: Mapping[str, str] | None = None,
            fields_mapping: FieldsMapping = ...,
            filters: str | SqlFilter | Sequence[str | SqlFilter] = (),
            lineage: Lineage | None = None,
            optional: bool = False,
        ) -> None: ...

    def _faults(self) -> Iterable[str]:
        yield from _repeated("columns", self.columns or ())
        if not all((*(self.columns or ()), *self.rename, *self.rename.values())):
            yield "a column name is empty"


class FeatureSpec(FrozenModel):
    """A feature: its name, the columns that name its records, what it is made from, its fields.

    Attributes:
        id_columns: Together they name a record; never null in one.
        deps: Features that it is made from; a key or a class stands for `FeatureDep` of it.
        fields: A name stands for `FieldSpec` of it.
        lineage: Shorthand for the lineage of every dependency that gives none itself.
        metadata: Anything that JSON can say; like `description` and `tags` it is no part of the
            feature version.
    """

    _positional: ClassVar[tuple[str, ...]] = ("key",)

    key: FeatureKey
    id_columns: Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
    deps: Annotated[tuple[FeatureDep, ...], BeforeValidator(_deps)] = ()
    fields: Annotated[tuple[FieldSpec, ...], BeforeValidator(_fields)] = (FieldSpec(),)
    lineage: Annotated[Lineage | None, BeforeValidator(_lineage)] = None
    metadata: Annotated[FrozenMap[str, Any], BeforeValidator(frozen_json)] = FrozenMap()
    description: str | None = None
    tags: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()

    if TYPE_CHECKING:

        def __init__(
            self,
            key: CoercibleToFeatureKey,
            *,
            id_columns: str | Sequence[str],
            deps: Sequence[FeatureDep | CoercibleToFeatureKey] = (),
            fields: Sequence[FieldSpec | FieldKey | str] = ...,
            lineage: Lineage | None = None,
            metadata: Mapping[str, object] = ...,
            description: str | None = None,
            tags: str | Sequence[str] = (),
        ) -> None: ...

    def field(self, key: FieldKey) -> FieldSpec | None:
        """Give the field of that name, None if the feature has none."""
        return next((field for field in self.fields if field.key == key), None)

    def lineage_of(self, dep: FeatureDep) -> Lineage:
        """Give the lineage that holds for a dependency of this feature."""
        return dep.lineage or self.lineage or Lineage.identity()

    def _faults(self) -> Iterable[str]:
        if self.key.is_system:
            yield f"the key '{self.key}' names a table of metaxy's own: take another first part"
        if not self.id_columns:
            yield "'id_columns' is empty: name the columns that tell records apart"
        if not all(self.id_columns):
            yield "'id_columns' has an empty name"
        yield from _repeated("id_columns", self.id_columns)
        reserved = [name for name in self.id_columns if is_system_column(name)]
        if reserved:
            yield f"'id_columns' has {listed(reserved)}; 'metaxy_' is reserved for system columns"
        if not self.fields:
            yield "'fields' is empty: leave it out for the one field 'default'"
        yield from _repeated("fields", [str(field.key) for field in self.fields], "field")


def _repeated(argument: str, names: Iterable[str], noun: str = "column") -> Iterable[str]:
    """Tell names that would be one where case is ignored."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(name.casefold(), []).append(name)
    for same in spellings.values():
        if len(same) > 1:
            yield f"'{argument}' names one {noun} more than once: {listed(same)}"
