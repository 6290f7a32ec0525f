"""A graph as data that outlives its classes: what is stored, and whether it came back whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from metaxy.errors import SnapshotError, listed
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The definitions of a graph with the versions that they had when it was taken.

    As data it is JSON: `{"format": 1, "snapshot_version": …, "features": [{"feature_version": …,
    "definition": …}, …]}`, the features sorted by key. Equal graphs give equal data.
    """

    snapshot_version: str
    feature_versions: Mapping[FeatureKey, str]
    definitions: tuple[FeatureDefinition, ...]

    def to_data(self) -> dict[str, object]:
        """Give the snapshot as JSON data."""
        return {
            "format": FORMAT,
            "snapshot_version": self.snapshot_version,
            "features": [
                {
                    "feature_version": self.feature_versions[definition.key],
                    "definition": definition.to_data(),
                }
                for definition in sorted(self.definitions, key=lambda each: each.key)
            ],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, object]) -> Snapshot:
        """Read a snapshot, without looking at whether its features fit together.

        Raises:
            SnapshotError: The data is none, or of a format that this release doesn't know.
        """
        if data.get("format") != FORMAT:
            raise SnapshotError(
                f"The snapshot has format {data.get('format')!r}, but this release of metaxy reads "
                f"format {FORMAT}. If it was written by a newer release, upgrade."
            )
        try:
            stored = _STORED.validate_python(dict(data))
        except ValidationError as error:
            raise SnapshotError(f"The snapshot cannot be read: {error}") from error
        definitions = tuple(
            FeatureDefinition.from_data(each.definition) for each in stored.features
        )
        return cls(
            snapshot_version=stored.snapshot_version,
            feature_versions={
                definition.key: each.feature_version
                for definition, each in zip(definitions, stored.features, strict=True)
            },
            definitions=definitions,
        )

    def check_versions(self, feature_versions: Mapping[FeatureKey, str], *, of_graph: str) -> None:
        """Compare the versions that were stored with those that the definitions have now.

        Raises:
            SnapshotError: They differ; names the features.
        """
        changed = sorted(
            key
            for key, version in feature_versions.items()
            if self.feature_versions[key] != version
        )
        if changed or self.snapshot_version != of_graph:
            raise SnapshotError(
                f"The snapshot {self.snapshot_version[:12]!r} was stored with versions that its "
                f"definitions do not give: those of {listed(map(str, changed))} differ, and the "
                f"graph comes out as {of_graph[:12]!r}. It was edited, or written by a release "
                "that computes versions in another way; take it from where it was recorded.",
                snapshot_version=self.snapshot_version,
            )


@dataclass(frozen=True, slots=True)
class _StoredFeature:
    __pydantic_config__ = ConfigDict(extra="forbid")

    feature_version: str
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Stored:
    __pydantic_config__ = ConfigDict(extra="forbid")

    format: Literal[1]
    snapshot_version: str
    features: tuple[_StoredFeature, ...]


_STORED = TypeAdapter(_Stored)
