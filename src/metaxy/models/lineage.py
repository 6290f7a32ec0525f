"""How many records of a feature come from how many records of one upstream feature."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator

from metaxy.models.frozen import FrozenModel, one_or_many

LineageKind: TypeAlias = Literal["identity", "aggregation", "expansion"]


class Lineage(FrozenModel):
    """The lineage of one dependency; made by one of the three constructors below."""

    kind: LineageKind
    on: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()

    if TYPE_CHECKING:

        def __init__(self, *, kind: LineageKind, on: str | Sequence[str] = ()) -> None: ...

    @classmethod
    def identity(cls) -> "Lineage":
        """1:1, one record from each upstream record."""
        return cls(kind="identity")

    @classmethod
    def aggregation(cls, on: str | Sequence[str]) -> "Lineage":
        """N:1, one record from all upstream records that agree in the columns `on`."""
        return cls(kind="aggregation", on=on)

    @classmethod
    def expansion(cls, on: str | Sequence[str]) -> "Lineage":
        """1:N, any number of records, none included, from each upstream record.

        `on` names the columns in which the children agree with their parent: its id columns, as
        this feature calls them.
        """
        return cls(kind="expansion", on=on)

    def _faults(self) -> Iterable[str]:
        if self.kind == "identity" and self.on:
            yield f"an identity has no 'on' columns, got {list(self.on)!r}"
        if self.kind != "identity" and not self.on:
            yield f"an {self.kind} needs 'on', the columns that parents and children share"
        if len(set(self.on)) < len(self.on):
            yield f"'on' names a column twice: {list(self.on)!r}"

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(self.on)})"
