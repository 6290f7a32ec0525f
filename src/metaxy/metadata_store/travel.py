"""Moments: which version of a table one means.

A version counts the commits of one table in one store. A time and a tag mean a version of every
table: the newest that has nothing later than that time, or the one that the tag pins.
"""

from datetime import datetime
from typing import Any, TypeAlias

from metaxy.errors import TableVersionNotFoundError, UsageError, told_time
from metaxy.metadata_store.history import version_at
from metaxy.metadata_store.interface import StoreInterface
from metaxy.metadata_store.tagging import found_tag
from metaxy.models.keys import FeatureKey

Moment: TypeAlias = int | datetime | str
"""A table version, an aware time, or the name of a tag."""


def checked_moment(given: Any, *, argument: str) -> Moment:  # noqa: ANN401 -- users give anything
    """A moment as users give it.

    Raises:
        ValueError: It is none: a time without a time zone, a truth value, anything else.
    """
    if isinstance(given, datetime):
        return checked_time(given, argument=argument)
    if isinstance(given, int | str) and not isinstance(given, bool):
        return given
    raise UsageError(
        f"{argument} is {given!r}, a {type(given).__name__}: give a version of the table (an int), "
        "a datetime with a time zone, or the name of a tag."
    )


def checked_time(given: datetime, *, argument: str) -> datetime:
    """A time of which one knows when it is.

    Raises:
        ValueError: It has no time zone.
    """
    if given.utcoffset() is None:
        raise UsageError(
            f"{argument} is {given!r}, which has no time zone: give for instance "
            "datetime(…, tzinfo=UTC)."
        )
    return given


def version_meant(store: StoreInterface, key: FeatureKey, moment: Moment) -> int | None:
    """The version of a table that a moment means; None when there was no table then.

    Whether it can be read is seen when it is.

    Raises:
        TagNotFoundError: There is no such tag.
        TableVersionNotFoundError: The log doesn't go back to that time.
    """
    if isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        return found_tag(store, moment).versions.get(key)
    return version_at_time(store, key, moment)


def version_at_time(store: StoreInterface, key: FeatureKey, instant: datetime) -> int | None:
    """The newest version of a table without anything later than an instant; None before its first.

    Raises:
        TableVersionNotFoundError: The log doesn't go back that far.
    """
    history = store.table_history(key)
    if not history:
        return None
    version = version_at(history, instant)
    first = history[-1]
    if version is None and first.version > 0:
        when = "" if first.committed_at is None else f" of {told_time(first.committed_at)}"
        raise TableVersionNotFoundError(
            f"What '{key}' was at {told_time(instant)} in {store.display()} can't be told "
            f"any more: its log begins with version {first.version}{when}.",
            first=first.version,
            last=history[0].version,
            store=store.display(),
            feature=str(key),
        )
    return version
