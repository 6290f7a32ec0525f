"""Which store of a chain answers for a feature.

A store comes first, then its fallbacks in their order, each with its own fallbacks behind it. The
first one with records of the wanted feature version answers; a table without any, or with other
versions only, doesn't hide what lies behind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from metaxy.errors import FallbackStoreError, StoreError
from metaxy.models.keys import FeatureKey


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of a feature in one store.

    Attributes:
        frame: One row a stored row of the wanted feature version (or of all); not read yet.
        has_rows: Looks whether there are any.
        instants: As in `metaxy.versioning.inputs.StoredRows`.
        source: The display text of the store.
    """

    frame: pl.LazyFrame
    has_rows: Callable[[], bool]
    instants: tuple[datetime, ...] | None
    source: str


class Link(Protocol):
    """A store as the chain sees it."""

    def display(self) -> str:
        """Name the store in messages."""
        ...

    def scan_chain(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows from this store or its fallbacks."""
        ...


def first_with_rows(
    own: Scan | None,
    fallbacks: Sequence[tuple[Link, Exception | None]],
    key: FeatureKey,
    feature_version: str | None,
) -> Scan | None:
    """The scan that answers; an empty one when none has rows; None when none has a table.

    Args:
        own: What the store itself has.
        fallbacks: Each with the reason why it could not be opened, if it couldn't.

    Raises:
        FallbackStoreError: A fallback that must be asked doesn't answer.
    """
    if own is not None and (not fallbacks or own.has_rows()):
        return own
    empty = own
    for store, failure in fallbacks:
        found = _asked(store, failure, key, feature_version)
        if found is not None and found.has_rows():
            return found
        empty = empty or found
    return empty


def _asked(
    store: Link, failure: Exception | None, key: FeatureKey, feature_version: str | None
) -> Scan | None:
    if failure is None:
        try:
            return store.scan_chain(key, feature_version)
        except FallbackStoreError:
            raise
        except (OSError, StoreError) as error:
            failure = error
    raise FallbackStoreError(
        f"The fallback store {store.display()} doesn't answer, and '{key}' isn't in the stores "
        f"before it: {failure}. Repair it, or open the store without it.",
        store=store.display(),
        feature=str(key),
    ) from failure
