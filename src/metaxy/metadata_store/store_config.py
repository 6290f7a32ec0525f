"""The options that stores have in a configuration."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from metaxy.errors import redact
from metaxy.versioning.types import HashAlgorithm

VersioningEngineOptions = Literal["auto", "native", "polars"]


class MetadataStoreConfig(BaseModel):
    """The options that every kind of store has; each kind adds its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The fields as they are shown; a URI among them may have credentials in it."""
        for name, value in super().__repr_args__():
            yield name, redact(value) if isinstance(value, str) else value

    fallback_stores: list[str] = Field(
        default_factory=list,
        description="Names of read-only stores that are asked, in this order, for features that "
        "this store has no records of.",
    )
    hash_algorithm: HashAlgorithm | None = Field(
        default=None,
        description="The row hash; by default that of the lake, or xxhash64 for a new one.",
    )
    hash_truncation_length: int | None = Field(
        default=None,
        ge=8,
        le=64,
        description="To how many characters versions are cut; by default as the lake has it.",
    )
    versioning_engine: VersioningEngineOptions = Field(
        default="auto", description="Which versioning engine to use."
    )
    auto_create_tables: bool | None = Field(
        default=None, description="Whether a first write may create a feature's table."
    )
