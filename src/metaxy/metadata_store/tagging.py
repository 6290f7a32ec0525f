"""Tags: names for what every table of a lake had at one moment.

A tag is a row of the system table `metaxy-system/tags`, its removal another row. The n-th row of a
name is written with an idempotency key made of name and n, so that of two who set or remove a tag
at once, only one does.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import narwhals as nw
import polars as pl

from metaxy.errors import TagExistsError, TagNotFoundError, UsageError, did_you_mean, listed
from metaxy.metadata_store import system
from metaxy.metadata_store.commits import CommitNote
from metaxy.metadata_store.interface import StoreInterface
from metaxy.metadata_store.opening import OpenableStore
from metaxy.metadata_store.system_rows import system_rows
from metaxy.models.keys import FeatureKey
from metaxy.versioning.system_columns import INSTANT

LISTING: Final = pl.Schema(
    {"name": pl.String(), "tagged_at": INSTANT, "message": pl.String(), "tables": pl.Int64()}
)
"""The columns of `tag_listing`."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,99}")
_SET: Final = "set"
_REMOVED: Final = "removed"


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for one version of each table.

    Attributes:
        versions: By table, features and system tables; one that isn't here did not exist then.
    """

    name: str
    tagged_at: datetime
    message: str | None
    versions: Mapping[FeatureKey, int]


def pinned_versions(store: StoreInterface) -> Mapping[FeatureKey, frozenset[int]]:
    """The versions that tags need, by table (features and system tables); none without tags.

    Maintenance must keep every file and every log entry that one of these versions is read from.
    """
    pinned: dict[FeatureKey, frozenset[int]] = {}
    for tag in read_tags(store):
        for key, version in tag.versions.items():
            pinned[key] = pinned.get(key, frozenset()) | {version}
    return pinned


def read_tags(store: StoreInterface) -> tuple[Tag, ...]:
    """The tags that there are, newest first."""
    newest = _events(store).sort("sequence").unique("name", keep="last", maintain_order=True)
    rows = newest.filter(pl.col("kind") == _SET).sort("recorded_at", "name", descending=True)
    return tuple(_tag(row) for row in rows.iter_rows(named=True))


def tag_listing(tags: Sequence[Tag]) -> pl.DataFrame:
    """One row a tag, in the order given; `tables` is how many it pins."""
    rows = [(each.name, each.tagged_at, each.message, len(each.versions)) for each in tags]
    return pl.DataFrame(rows, schema=LISTING, orient="row")


def found_tag(store: StoreInterface, name: str) -> Tag:
    """The tag of a name.

    Raises:
        TagNotFoundError: There is none.
    """
    tags = {each.name: each for each in read_tags(store)}
    if name in tags:
        return tags[name]
    there = f"it has {listed(tags)}" if tags else "it has none"
    hint = did_you_mean(name, tags)
    if name[:1].isdigit():
        hint = " A tag begins with a letter; was a time meant, such as datetime(2026, 11, 1)?"
    raise TagNotFoundError(
        f"{store.display()} has no tag {name!r}; {there}.{hint}",
        tag=name,
        store=store.display(),
    )


def tags_of_table(store: StoreInterface, key: FeatureKey) -> Mapping[str, int]:
    """The version of a table that each tag pins, by the tag's name."""
    return {each.name: each.versions[key] for each in read_tags(store) if key in each.versions}


def set_tag(store: OpenableStore, name: str, message: str | None) -> Tag:
    """Pin the newest version of every table, in one commit.

    Dependents are looked at before what they depend on, and system tables last. So whatever is
    written meanwhile, what the tag has of a feature was made from records that it has, too.

    Raises:
        ValueError: The name can't be one of a tag.
        TagExistsError: It is taken.
    """
    checked_name(name)
    store.settle_hash_settings()
    events = _events(store).filter(pl.col("name") == name).sort("sequence")
    if events.height and events["kind"][-1] == _SET:
        raise _exists(store, name, "has the tag {} already")
    versions = {key: store.table_version(key) for key in _dependents_first(store)}
    tag = Tag(
        name,
        datetime.now(UTC),
        message,
        {key: version for key, version in sorted(versions.items()) if version is not None},
    )
    if not _append(store, tag, _SET, sequence=events.height):
        raise _exists(store, name, "has just been given the tag {} by somebody else")
    return tag


def remove_tag(store: OpenableStore, name: str) -> None:
    """Append that a tag is gone; what it pinned may be vacuumed then.

    Raises:
        TagNotFoundError: There is none of this name.
    """
    tag = found_tag(store, name)
    events = _events(store).filter(pl.col("name") == name)
    gone = Tag(name, datetime.now(UTC), tag.message, {})
    if events.height % 2 == 0 or not _append(store, gone, _REMOVED, sequence=events.height):
        found_tag(store, name)


def checked_name(name: object) -> str:
    """A name that a tag may have, which neither a version nor a time could be taken for.

    Raises:
        ValueError: It is none.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise UsageError(
        f"{name!r} can't be the name of a tag: take up to 100 of A-Z, a-z, 0-9, '.', '_', '-', "
        "'/', beginning with a letter."
    )


def _dependents_first(store: StoreInterface) -> list[FeatureKey]:
    tables = store.tables_in_store()
    known = [key for key in tables if key in store.graph.definitions]
    order = list(reversed(store.graph.topological_order(known)))
    others = [key for key in tables if key not in store.graph.definitions]
    unknown = [key for key in others if not key.is_system]
    return [*unknown, *order, *(key for key in others if key.is_system)]


def _append(store: OpenableStore, tag: Tag, kind: str, *, sequence: int) -> bool:
    """Write the n-th row of a name; whether it was this call that did."""
    row = {
        "tag_id": uuid.uuid4().hex,
        "recorded_at": tag.tagged_at,
        "name": tag.name,
        "sequence": sequence,
        "kind": kind,
        "message": tag.message,
        "tables": [
            {"feature_key": str(key), "table_version": version}
            for key, version in tag.versions.items()
        ],
    }
    note = CommitNote(
        "tag" if kind == _SET else "untag",
        rows=1,
        idempotency_key=f"metaxy-system/tags/{sequence}/{tag.name}",
    )
    frame = pl.DataFrame([row], schema=system.TAGS)
    outcome = store.write_metadata_to_store(system.TAGS_KEY, nw.from_native(frame), note=note)
    return outcome is None or not outcome.already_committed


def _events(store: StoreInterface) -> pl.DataFrame:
    return system_rows(store, system.TAGS_KEY, system.TAGS)


def _tag(row: Mapping[str, Any]) -> Tag:
    versions = {FeatureKey(each["feature_key"]): each["table_version"] for each in row["tables"]}
    return Tag(row["name"], row["recorded_at"], row["message"], versions)


def _exists(store: StoreInterface, name: str, what: str) -> TagExistsError:
    return TagExistsError(
        f"{store.display()} {what.format(repr(name))}. Take another name, or remove that tag "
        f"first, with untag or `metaxy tag {name} --remove`.",
        tag=name,
        store=store.display(),
    )
