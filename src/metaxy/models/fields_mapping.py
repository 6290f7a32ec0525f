"""Which upstream fields a field is made from, where its spec does not say so field by field."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, field_serializer

from metaxy.models.frozen import FrozenMap, FrozenModel, one_or_many
from metaxy.models.keys import CoercibleToFieldKey, FieldKey

FieldsMappingKind: TypeAlias = Literal["default", "specific", "all", "none"]
FieldKeys: TypeAlias = Annotated[tuple[FieldKey, ...], BeforeValidator(one_or_many)]


class FieldsMapping(FrozenModel):
    """From the fields of a feature to those of one upstream; made by the constructors below.

    `match_suffix` and `exclude_fields` belong to the kind `default`, `fields` to `specific`.
    """

    kind: FieldsMappingKind
    match_suffix: bool = False
    exclude_fields: FieldKeys = ()
    fields: FrozenMap[FieldKey, FieldKeys] = FrozenMap()

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            kind: FieldsMappingKind,
            match_suffix: bool = False,
            exclude_fields: Sequence[CoercibleToFieldKey] = (),
            fields: Mapping[str, Sequence[str]]
            | Mapping[FieldKey, Sequence[CoercibleToFieldKey]] = ...,
        ) -> None: ...

    @classmethod
    def default(
        cls, *, match_suffix: bool = False, exclude_fields: Sequence[CoercibleToFieldKey] = ()
    ) -> "FieldsMapping":
        """Fields of equal name; where there is none, all fields of that upstream.

        With `match_suffix` a name also matches one that continues it to the left: `french` and
        `audio/french`, either way round. Fields in `exclude_fields` (the upstream's) never match
        and are not among "all".
        """
        return cls(kind="default", match_suffix=match_suffix, exclude_fields=exclude_fields)

    @classmethod
    def specific(
        cls, fields: Mapping[str, Sequence[str]] | Mapping[FieldKey, Sequence[CoercibleToFieldKey]]
    ) -> "FieldsMapping":
        """Exactly the upstream fields that are listed for a field; none for a field not listed."""
        return cls(kind="specific", fields=fields)

    @classmethod
    def all(cls) -> "FieldsMapping":
        """Every field of the upstream, for every field."""
        return cls(kind="all")

    @classmethod
    def none(cls) -> "FieldsMapping":
        """No field of the upstream, for any field: only its rows matter, not their contents."""
        return cls(kind="none")

    def resolve(self, field: FieldKey, upstream_fields: Sequence[FieldKey]) -> tuple[FieldKey, ...]:
        """Give the fields of the upstream that `field` is made from, sorted, each once.

        Fields that a specific mapping lists and the upstream lacks are left out; that is a fault
        of the graph, which `metaxy.graph.checks` tells.
        """
        if self.kind == "none":
            return ()
        known = tuple(sorted(set(upstream_fields)))
        if self.kind == "all":
            return known
        if self.kind == "specific":
            wanted = set(self.fields.get(field, ()))
            return tuple(key for key in known if key in wanted)
        candidates = tuple(key for key in known if key not in self.exclude_fields)
        return tuple(key for key in candidates if self._matches(field, key)) or candidates

    def _matches(self, field: FieldKey, upstream: FieldKey) -> bool:
        if field == upstream:
            return True
        return self.match_suffix and (_ends_with(field, upstream) or _ends_with(upstream, field))

    def _faults(self) -> Iterable[str]:
        if self.kind != "default" and (self.match_suffix or self.exclude_fields):
            yield f"'match_suffix' and 'exclude_fields' go with 'default', not with {self.kind!r}"
        if self.kind != "specific" and self.fields:
            yield f"'fields' goes with 'specific', not with {self.kind!r}"

    @field_serializer("fields")
    def _fields_by_name(self, fields: Mapping[FieldKey, tuple[FieldKey, ...]]) -> object:
        return {str(field): [list(key) for key in keys] for field, keys in sorted(fields.items())}


def _ends_with(field: FieldKey, suffix: FieldKey) -> bool:
    return len(suffix) < len(field) and field.parts[-len(suffix) :] == suffix.parts
