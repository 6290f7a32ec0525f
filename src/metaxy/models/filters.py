"""Static filters of dependencies: conditions in SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from metaxy.models.filter_parser import parsed
from metaxy.models.filter_tree import Condition, canonical_text, columns_of
from metaxy.models.frozen import ArgumentError


@dataclass(frozen=True, slots=True, init=False, repr=False)
class SqlFilter:
    """A condition on one record, written in a small part of SQL.

    Filters are equal when their canonical texts are: spaces, the case of keywords and spare
    parentheses do not count.

    Attributes:
        tree: What the text means; `metaxy.versioning` compiles it.
        canonical: The one text for the tree. It is what versions are hashed from.
        sql: The text as it was written.

    Raises:
        FilterError: The text is not in that part of SQL; says where, and what is.
    """

    canonical: str
    tree: Condition = field(compare=False)
    sql: str = field(compare=False)

    def __init__(self, sql: str) -> None:
        tree = parsed(sql)
        object.__setattr__(self, "sql", sql)
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "canonical", canonical_text(tree))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at, sorted; of a struct's field, the struct."""
        return columns_of(self.tree)

    def __str__(self) -> str:
        return self.canonical

    def __repr__(self) -> str:
        return f"SqlFilter({self.canonical!r})"

    @classmethod
    def __get_pydantic_core_schema__(
        cls,
        source: Any,  # noqa: ANN401 — pydantic hands over whatever was annotated
        handler: GetCoreSchemaHandler,
    ) -> core_schema.CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(
            cls._from_any,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def _from_any(cls, value: object) -> SqlFilter:
        if isinstance(value, SqlFilter):
            return value
        if isinstance(value, str):
            return cls(value)
        raise ArgumentError(
            "a filter of a definition is SQL text, such as 'height >= 720', because it is stored "
            f"and hashed; got a {type(value).__name__}. Other expressions can be given when "
            "records are read: resolve_update(..., filters=…)"
        )
