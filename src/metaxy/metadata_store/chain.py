"""Which store of a chain answers for a feature.

A store comes first, then its fallbacks in their order, each with its own fallbacks behind it. The
first one with records of the wanted feature version answers; a table without any, or with other
versions only, doesn't hide what lies behind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import polars as pl

from metaxy.errors import FallbackStoreError
from metaxy.models.keys import FeatureKey


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of a feature in one store.

    Attributes:
        frame: One row a stored row of the wanted feature version (or of all); not read yet.
        has_rows: Looks whether there are any.
        instants: As in `metaxy.versioning.inputs.StoredRows`.
        source: The display text of the store.
        place: Where the store stands in the chain: nothing for the first one, else which fallback
            it is, which of that one's fallbacks, and so on, counted from 0.
    """

    frame: pl.LazyFrame
    has_rows: Callable[[], bool]
    instants: tuple[datetime, ...] | None
    source: str
    place: tuple[int, ...] = ()


class Link(Protocol):
    """A store as the chain sees it."""

    def display(self) -> str:
        """Name the store in messages."""
        ...

    def scan_chain(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows from this store or its fallbacks."""
        ...


@dataclass(frozen=True, slots=True)
class Fallback:
    """A fallback store, and why it could not be opened, if it couldn't."""

    store: Link
    failure: Exception | None = None


def first_with_rows(
    own: Scan | None,
    fallbacks: Sequence[Fallback],
    key: FeatureKey,
    *,
    feature_version: str | None,
) -> Scan | None:
    """The scan that answers; an empty one when none has rows; None when none has a table.

    Args:
        own: What the store itself has.

    Raises:
        FallbackStoreError: A fallback that must be asked doesn't answer.
    """
    if own is not None and (not fallbacks or own.has_rows()):
        return own
    empty = own
    for index, fallback in enumerate(fallbacks):
        found, has_rows = _asked(fallback, key, feature_version)
        if found is None:
            continue
        found = replace(found, place=(index, *found.place))
        if has_rows:
            return found
        empty = empty or found
    return empty


def _asked(
    fallback: Fallback, key: FeatureKey, feature_version: str | None
) -> tuple[Scan | None, bool]:
    """What a fallback has, and whether there are rows in it."""
    failure = fallback.failure
    if failure is None:
        try:
            found = fallback.store.scan_chain(key, feature_version)
            return found, found is not None and found.has_rows()
        except FallbackStoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- stores fail in whatever way their storage does
            failure = error
    name = fallback.store.display()
    raise FallbackStoreError(
        f"The fallback store {name} doesn't answer, and '{key}' isn't in the stores before it: "
        f"{failure}. Repair it, or open the store without it.",
        store=name,
        feature=str(key),
    ) from failure
