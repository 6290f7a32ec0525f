"""Every error that metaxy raises, and the words that its messages are made of.

    MetaxyError
    ├── ConfigError                      (ValueError)   a setting is missing, unknown or wrong
    ├── DefinitionError                  (ValueError)   a key, a spec or a feature class is wrong
    │   └── InvalidKeyError                             a feature key or field key is wrong
    ├── GraphError                       (ValueError)   features do not fit together
    ├── SnapshotError                    (ValueError)   a stored snapshot cannot be read
    ├── FilterError                      (ValueError)   a SQL filter cannot be understood
    ├── UsageError                       (ValueError)   the arguments of a call make no sense
    ├── FeatureNotFoundError             (LookupError)  no such feature in a graph or a store
    │   └── SystemDataNotFoundError                     no such system table in a store
    ├── EntrypointError                  (ImportError)  a module of features cannot be imported
    ├── MigrationError                                  a migration cannot be made, read or run
    │   ├── MigrationFileError           (ValueError)   a file or a chain of them is wrong
    │   ├── MigrationRefusedError                       it would take stale records for good ones
    │   └── MigrationConflictError                      somebody else is at it, or the lake changed
    └── StoreError                                      an operation on a store failed
        ├── StoreNotOpenError            (ValueError)
        ├── StoreReadOnlyError
        ├── MetadataSchemaError          (ValueError)   a frame cannot be written
        │   └── ContractViolationError                  it breaks the contract of a storage class
        ├── StorageNotRegisteredError    (ValueError)   a storage class waits for its upgrade
        ├── ColumnCollisionError         (ValueError)   two columns would share a name
        ├── MissingColumnsError          (ValueError)   a frame lacks columns that are needed
        ├── HashSettingsMismatchError    (ValueError)   lakes hash in different ways
        ├── VersioningEngineMismatchError (ValueError)  a frame the chosen engine cannot use
        ├── ProjectMismatchError         (ValueError)   the feature is another project's
        ├── MissingSamplesError          (ValueError)   a root feature was asked without samples
        ├── TableVersionNotFoundError    (LookupError)  a table has no such version, or not any more
        ├── TagNotFoundError             (LookupError)  a lake has no such tag
        ├── TagExistsError               (ValueError)   a lake has a tag of this name already
        ├── CopyError                                   a feature could not be copied
        ├── WriteConflictError                          gave up; nothing was written
        ├── CommitStateUnknownError                     a commit may or may not have happened
        ├── EventNotRecordedError                       it was done, and isn't in the log of events
        ├── UnreadableTableError
        └── FallbackStoreError                          a fallback store does not answer

and every warning:

    MetaxyWarning                        (UserWarning)  something is probably not as it was meant
    └── NoLakeWarning                                   there is no lake where one is read

A message says which object, what was got, what was wanted, and the way out; the same facts are
attributes. Every message passes through `redact`, so that no error can print a credential that
came in a URI or in a store's options.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

_CREDENTIAL = (
    r"[\w.-]*(?:secret|password|passwd|credential|signature|access[_-]?key|account[_-]?key"
    r"|api[_-]?key|private[_-]?key|shared[_-]?key|session[_-]?token|security[_-]?token"
    r"|sas[_-]?token|bearer[_-]?token|access[_-]?token|auth[_-]?token)[\w.-]*"
)
_USER_INFO = re.compile(
    r"""(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)
        (?P<user>(?:[^\s/?\#'"@:]*:(?!\d+(?:[/\s]|$))[^\s'"]*|[^\s/?\#'"]*))@""",
    re.VERBOSE,
)
_QUERY_VALUE = re.compile(
    rf"(?P<name>[?&](?:{_CREDENTIAL}|key|token|sig|pwd|auth)=)[^&\s'\"]+", re.IGNORECASE
)
_NAMED_VALUE = re.compile(
    rf"""(?P<name>\b{_CREDENTIAL}['"]?\s*[:=]\s*)(?P<value>'[^']*'|"[^"]*"|[^\s,;&'"]+)""",
    re.IGNORECASE,
)
_CONTAINER_SCHEMES = ("abfs://", "abfss://", "wasb://", "wasbs://")
_MASK = "***"


def redact(text: str) -> str:
    """Give `text` with every credential that it shows replaced by `***`.

    Known as credentials are the user part of a URI (but not the container of an Azure URI, which
    stands in the same place), query parameters, and `name=value` or `'name': 'value'` pairs with
    a name such as `secret`, `password` or `access_key`. Anything else stays as it is: this is a
    net under code that must not put secrets into texts, not a licence to do so.
    """
    text = _USER_INFO.sub(_without_user, text)
    text = _QUERY_VALUE.sub(rf"\g<name>{_MASK}", text)
    return _NAMED_VALUE.sub(rf"\g<name>{_MASK}", text)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Give the candidate that `name` is most likely a slip of, if one is likely at all."""
    known = sorted(set(candidates))
    by_folded = {candidate.casefold(): candidate for candidate in reversed(known)}
    matches = difflib.get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Give " Did you mean '…'?", to be put behind a sentence, or nothing."""
    match = nearest(name, candidates)
    return f" Did you mean {match!r}?" if match is not None else ""


def listed(names: Iterable[str], *, limit: int = 10) -> str:
    """Give the names quoted, in their order: `'a', 'b' and 3 more`; `nothing` for none."""
    quoted = [repr(name) for name in names]
    if not quoted:
        return "nothing"
    if len(quoted) <= limit:
        return ", ".join(quoted)
    return f"{', '.join(quoted[:limit])} and {len(quoted) - limit} more"


def counted(number: int, noun: str) -> str:
    """Give `1 column`, `2 columns`; for nouns with a regular plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def told_time(instant: datetime) -> str:
    """Give an aware time as messages tell it: `2026-01-02 03:04:05 UTC`, parts of a second if any.

    The command line shows times by the clock on the wall where it prints tables of them.
    """
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')} UTC"


def itemised(head: str, items: Sequence[str]) -> str:
    """Give `head: item` for one item, and a counted list, a line an item, for several."""
    if not items:
        return head
    if len(items) == 1:
        return f"{head}: {items[0]}"
    lines = [f"  - {item}".replace("\n", "\n    ") for item in items]
    return "\n".join([f"{head}, {len(items)} faults:", *lines])


def _without_user(match: re.Match[str]) -> str:
    scheme, user = match["scheme"], match["user"]
    if not user or (scheme.lower() in _CONTAINER_SCHEMES and ":" not in user):
        return match[0]
    return f"{scheme}{_MASK}@"


class MetaxyError(Exception):
    """The root of the tree: what metaxy finds wrong with lakes, definitions, frames.

    Errors pickle with all their attributes, so that they survive the way out of a worker process.
    """

    def __init__(self, message: str) -> None:
        self.message = redact(message)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self.args, dict(self.__dict__))


def _restored(
    cls: type[MetaxyError], args: tuple[object, ...], facts: dict[str, object]
) -> MetaxyError:
    """Rebuild an unpickled error without running an `__init__` that wants other arguments."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(facts)
    return error


class ConfigError(MetaxyError, ValueError):
    """A setting is missing, unknown or wrong."""

    def __init__(self, message: str, *, setting: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting


class DefinitionError(MetaxyError, ValueError):
    """A key, a spec or a feature class is wrong by itself.

    `subject` names the object, `faults` has one sentence for each thing that is wrong with it;
    the message is made of both.
    """

    def __init__(self, subject: str, faults: str | Sequence[str] = ()) -> None:
        self.subject = redact(subject)
        self.faults = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__(itemised(subject, self.faults))


class InvalidKeyError(DefinitionError):
    """A feature key or a field key breaks a rule; `key` is the text that was given."""

    def __init__(self, subject: str, faults: str | Sequence[str] = (), *, key: str = "") -> None:
        super().__init__(subject, faults)
        self.key = key


class GraphError(MetaxyError, ValueError):
    """Features do not fit together; `faults` has a sentence for each reason, sorted."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__(itemised("The feature graph cannot be built", self.faults))


class SnapshotError(MetaxyError, ValueError):
    """A stored snapshot of a graph cannot be read."""

    def __init__(self, message: str, *, snapshot_version: str | None = None) -> None:
        super().__init__(message)
        self.snapshot_version = snapshot_version


class FilterError(MetaxyError, ValueError):
    """A SQL filter cannot be understood; `position` counts characters of `sql` from 0."""

    def __init__(self, message: str, *, sql: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.sql = sql
        self.position = position


class UsageError(MetaxyError, ValueError):
    """The arguments of a call contradict each other, or one has a value that makes no sense."""


class FeatureNotFoundError(MetaxyError, LookupError):
    """No such feature in a graph or in a store (nor in its fallbacks, where those count)."""

    def __init__(self, message: str, *, feature: str | None = None) -> None:
        super().__init__(message)
        self.feature = feature


class SystemDataNotFoundError(FeatureNotFoundError):
    """A store has no such system table, or no such entry in it."""


class EntrypointError(MetaxyError, ImportError):
    """A module of features cannot be imported; `entrypoint` is the name that was tried."""

    def __init__(self, message: str, *, entrypoint: str | None = None) -> None:
        super().__init__(message)
        self.entrypoint = entrypoint


class MigrationError(MetaxyError):
    """A migration cannot be made, read or run.

    Attributes:
        migration: Its id, where there is one.
        reasons: Each thing that is wrong, if several can be.
    """

    def __init__(
        self, message: str, reasons: Sequence[str] = (), *, migration: str | None = None
    ) -> None:
        super().__init__(itemised(message, reasons))
        self.migration = migration
        self.reasons = tuple(redact(reason) for reason in reasons)


class MigrationFileError(MigrationError, ValueError):
    """A migration file cannot be understood, or the files form no chain."""


class MigrationRefusedError(MigrationError):
    """A migration would say "up to date" of records that may not be."""


class MigrationConflictError(MigrationError):
    """Somebody else applies the migration, or the lake has changed since it was planned."""


class StoreError(MetaxyError):
    """An operation on a store failed; `store` is the store's display text, `feature` a key."""

    def __init__(
        self, message: str, *, store: str | None = None, feature: str | None = None
    ) -> None:
        super().__init__(message)
        self.store = None if store is None else redact(store)
        self.feature = feature


class StoreNotOpenError(StoreError, ValueError):
    """The store was used outside its `with` block."""


class StoreReadOnlyError(StoreError):
    """A write was tried on a store that is open for reading, or that is a view or a fallback."""


class MetadataSchemaError(StoreError, ValueError):
    """A frame cannot be written; `reasons` has a sentence for each thing that is wrong with it.

    `subject` begins the message, e.g. "Records of 'video/file' cannot be written". Nothing has
    been written.
    """

    def __init__(
        self,
        subject: str,
        reasons: str | Sequence[str] = (),
        *,
        store: str | None = None,
        feature: str | None = None,
    ) -> None:
        self.reasons = (reasons,) if isinstance(reasons, str) else tuple(reasons)
        super().__init__(itemised(subject, self.reasons), store=store, feature=feature)


class ContractViolationError(MetadataSchemaError):
    """A frame breaks the contract of a storage class; `reasons` has every way in which it does."""


class StorageNotRegisteredError(StoreError, ValueError):
    """A storage class has no table in a lake yet, or changed since; `table` is its table name.

    `metaxy migrations upgrade` brings a lake to what the classes say.
    """

    def __init__(
        self,
        message: str,
        *,
        table: str | None = None,
        store: str | None = None,
        feature: str | None = None,
    ) -> None:
        super().__init__(message, store=store, feature=feature)
        self.table = table


class ColumnCollisionError(StoreError, ValueError):
    """Two columns would share a name; `columns` has the names."""

    def __init__(
        self,
        message: str,
        *,
        columns: Sequence[str] = (),
        store: str | None = None,
        feature: str | None = None,
    ) -> None:
        super().__init__(message, store=store, feature=feature)
        self.columns = tuple(columns)


class MissingColumnsError(StoreError, ValueError):
    """`needed_by` needs columns that `owner` does not have; both are names of features or frames.

    The message is made here: it counts and lists `missing`, shows `available`, and guesses at
    slips.
    """

    def __init__(
        self,
        needed_by: str,
        owner: str,
        *,
        missing: Iterable[str],
        available: Iterable[str],
        store: str | None = None,
    ) -> None:
        self.owner = owner
        self.missing = tuple(sorted(missing))
        self.available = tuple(sorted(available))
        super().__init__(self._text(needed_by), store=store, feature=needed_by)

    def _text(self, needed_by: str) -> str:
        guesses = ((name, nearest(name, self.available)) for name in self.missing)
        slips = [f"{right!r} for {name!r}" for name, right in guesses if right is not None]
        question = f" Did you mean {', '.join(slips)}?" if slips else ""
        return (
            f"{needed_by!r} needs {counted(len(self.missing), 'column')} that {self.owner!r} "
            f"does not have: {listed(self.missing)}.\n"
            f"It has: {listed(self.available, limit=50)}.{question}"
        )


class HashSettingsMismatchError(StoreError, ValueError):
    """Two lakes, or a store and its lake, hash in different ways; `got` and `wanted` are shown."""

    def __init__(
        self,
        message: str,
        *,
        got: str | None = None,
        wanted: str | None = None,
        store: str | None = None,
    ) -> None:
        super().__init__(message, store=store)
        self.got = got
        self.wanted = wanted


class VersioningEngineMismatchError(StoreError, ValueError):
    """The versioning engine that was asked for cannot work on the frame that was given."""


class ProjectMismatchError(StoreError, ValueError):
    """A write to a feature of another project; `got` and `wanted` name both projects."""

    def __init__(
        self,
        message: str,
        *,
        got: str | None = None,
        wanted: str | None = None,
        store: str | None = None,
        feature: str | None = None,
    ) -> None:
        super().__init__(message, store=store, feature=feature)
        self.got = got
        self.wanted = wanted


class MissingSamplesError(StoreError, ValueError):
    """A root feature, which has no upstream to expect records from, was asked without samples."""


class TableVersionNotFoundError(StoreError, LookupError):
    """A table has no such version, or its files or log entries are gone.

    `table_version` is the one that was asked for (None: one by its time), `first` and `last` are
    the versions from which and up to which the table can be read.
    """

    def __init__(
        self,
        message: str,
        *,
        table_version: int | None = None,
        first: int | None = None,
        last: int | None = None,
        store: str | None = None,
        feature: str | None = None,
    ) -> None:
        super().__init__(message, store=store, feature=feature)
        self.table_version = table_version
        self.first = first
        self.last = last


class TagNotFoundError(StoreError, LookupError):
    """A lake has no such tag; `tag` is the name that was asked for."""

    def __init__(self, message: str, *, tag: str | None = None, store: str | None = None) -> None:
        super().__init__(message, store=store)
        self.tag = tag


class TagExistsError(StoreError, ValueError):
    """A lake has a tag of this name already; `tag` is the name."""

    def __init__(self, message: str, *, tag: str | None = None, store: str | None = None) -> None:
        super().__init__(message, store=store)
        self.tag = tag


class CopyError(StoreError):
    """A feature could not be copied; `copied` has what was copied before it, and stays."""

    def __init__(
        self,
        message: str,
        *,
        copied: Mapping[str, int],
        store: str | None = None,
        feature: str | None = None,
    ) -> None:
        super().__init__(message, store=store, feature=feature)
        self.copied = dict(copied)


class WriteConflictError(StoreError):
    """Other writers kept getting in between; nothing was written after `attempts` tries."""

    def __init__(
        self,
        message: str,
        *,
        attempts: int | None = None,
        store: str | None = None,
        feature: str | None = None,
    ) -> None:
        super().__init__(message, store=store, feature=feature)
        self.attempts = attempts


class CommitStateUnknownError(StoreError):
    """A commit was sent and no answer came: it may or may not be in the lake."""


class EventNotRecordedError(StoreError):
    """Something was done and stays, but the log of events doesn't tell; `kind` is the event's."""

    def __init__(
        self, message: str, *, kind: str, store: str | None = None, feature: str | None = None
    ) -> None:
        super().__init__(message, store=store, feature=feature)
        self.kind = kind


class UnreadableTableError(StoreError):
    """A table of the lake is damaged, or was written in a way that metaxy does not read."""


class FallbackStoreError(StoreError):
    """A fallback store was needed and does not answer; `store` names it."""


class MetaxyWarning(UserWarning):
    """The root of the warnings: the answer is right, and the question probably isn't.

    `warnings.filterwarnings("error", category=MetaxyWarning)` makes errors of them.
    """

    def __init__(self, message: str) -> None:
        self.message = redact(message)
        super().__init__(self.message)


class NoLakeWarning(MetaxyWarning):
    """A store was opened for reading, or an increment asked of it, where there is no lake.

    Every feature reads as one without records there. Before the first write that is as it should
    be; at any other time `root_path` has a slip in it.
    """
