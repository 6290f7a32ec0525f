"""A store that is opened and closed: blocks that nest, fallbacks behind it, how the lake hashes."""

import functools
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import local
from types import TracebackType
from typing import Any, Self, TypeVar

from metaxy.errors import (
    ConfigError,
    HashSettingsMismatchError,
    StoreNotOpenError,
    StoreReadOnlyError,
    UsageError,
    redact,
)
from metaxy.metadata_store.absence import warn_of_no_lake
from metaxy.metadata_store.active import at_hand
from metaxy.metadata_store.chain import Fallback, Scan, first_with_rows
from metaxy.metadata_store.hash_settings import (
    HashSettings,
    RequestedSettings,
    StatedSettings,
    settled,
)
from metaxy.metadata_store.interface import StoreInterface
from metaxy.metadata_store.session import AccessMode, OpenBlocks
from metaxy.models.keys import FeatureKey

_Store = TypeVar("_Store", bound="OpenableStore")
_CLOSED_STATE = ("_blocks", "_entered", "_fallbacks", "_has_warned", "_resources", "_settings")


class OpenableStore(StoreInterface):
    """What every store does about being open.

    Args:
        requested: How the lake is to hash.
        fallback_stores: They are opened, for reading, with the store's first block and closed with
            its last.
    """

    def __init__(
        self, *, requested: RequestedSettings, fallback_stores: Sequence["OpenableStore"] | None
    ) -> None:
        self._requested = requested
        self.fallback_stores = _stores(fallback_stores or ())
        self._reset()

    def __init_subclass__(cls, **options: object) -> None:
        """Make every `open` of a subclass keep the books, so that it needn't call anything."""
        super().__init_subclass__(**options)
        own = vars(cls).get("open")
        if own is not None and not getattr(own, "__isabstractmethod__", False):
            cls.open = _counting(own)

    @abstractmethod
    def open(self, mode: AccessMode = "read") -> AbstractContextManager[Self]:
        """Open the store for the length of a block.

        A subclass sets up and clears up its connections here; that is all it must do.

        Args:
            mode: "read" refuses writes.

        Raises:
            HashSettingsMismatchError: The lake, or a fallback, hashes in another way.
        """

    def __enter__(self) -> Self:
        stack: list[ExitStack] = self._entered.__dict__.setdefault("stack", [])
        block = ExitStack()
        block.enter_context(self.open("read"))
        stack.append(block)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stack: list[ExitStack] = self._entered.stack
        stack.pop().__exit__(kind, error, traceback)

    @property
    def is_open(self) -> bool:
        """Whether the store is inside a block of some thread."""
        return self._blocks.is_open

    @property
    def hash_settings(self) -> HashSettings:
        """How versions are hashed in this lake."""
        self.require_open()
        assert self._settings is not None  # noqa: S101 -- set while the store is open
        return self._settings

    @property
    def stated_hash_settings(self) -> StatedSettings:
        """What others must agree with: what is recorded, or else asked for here or behind."""
        recorded = self.read_hash_settings()
        if recorded is not None:
            return recorded
        if any(fallback.failure is None for fallback in self._fallbacks):
            return self.hash_settings
        return self._requested

    @property
    def opened_fallbacks(self) -> tuple[Fallback, ...]:
        """The fallbacks while the store is open, with those that could not be opened among them."""
        return self._fallbacks

    def require_open(self, mode: AccessMode = "read") -> None:
        """Refuse to go on unless the store is open.

        Raises:
            StoreNotOpenError: It isn't.
            StoreReadOnlyError: It is, for reading, and `mode` is "write".
        """
        if not self._blocks.is_open:
            raise StoreNotOpenError(
                f"{self.display()} is not open. Use it inside `with store:` or, to write, inside "
                '`with store.open("write"):`.',
                store=self.display(),
            )
        if mode == "write" and not self._blocks.is_writable:
            raise StoreReadOnlyError(
                f"{self.display()} is open for reading. To write, use it inside "
                '`with store.open("write"):`.',
                store=self.display(),
            )

    def validate_hash_algorithm(self, check_fallback_stores: bool = True) -> None:  # noqa: FBT001, FBT002 -- the reference's signature
        """Check that the lake (and its fallbacks) hash as this store does.

        Raises:
            HashSettingsMismatchError: They don't.
        """
        self.require_open()
        if check_fallback_stores:
            self._settled_settings(self.read_hash_settings())
        else:
            settled(self._requested, self.read_hash_settings(), [], store=self.display())

    def settle_hash_settings(self) -> None:
        """Record how the lake hashes, before the first write to it.

        Raises:
            HashSettingsMismatchError: Somebody has just recorded something else.
        """
        self._settings = self.record_hash_settings(self.hash_settings)

    def adopt_hash_settings(self, settings: HashSettings, *, source: str) -> None:
        """Let a lake that has nothing recorded yet hash as another one that is copied into it.

        Raises:
            HashSettingsMismatchError: The store, or a fallback, was to hash in another way.
        """
        told = [
            (store.display(), store.stated_hash_settings)
            for store, opened in zip(self.fallback_stores, self._fallbacks, strict=True)
            if opened.failure is None
        ]
        adopted = settled(self._requested, None, [(source, settings), *told], store=self.display())
        self._settings = adopted

    def warn_of_missing_lake(self) -> None:
        """Warn, once as long as the store is open, if there is no lake.

        A store that is opened for reading does so by itself. One that is opened for writing may be
        about to make the lake, so there it is for those to call who found nothing.
        """
        missing = None if self._has_warned else self.missing_lake()
        if missing is not None:
            self._has_warned = True
            warn_of_no_lake(missing)

    def scan_chain(self, key: FeatureKey, feature_version: str | None) -> Scan | None:
        """The rows from the first store of the chain that has some of that version."""
        own = self.scan_in_store(key, feature_version)
        return first_with_rows(own, self._fallbacks, key, feature_version=feature_version)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _CLOSED_STATE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset()

    def _reset(self) -> None:
        """Be closed."""
        self._blocks = OpenBlocks()
        self._entered = local()
        self._resources = ExitStack()
        self._fallbacks: tuple[Fallback, ...] = ()
        self._settings: HashSettings | None = None
        self._has_warned = False

    @contextmanager
    def _counted(self, mode: AccessMode) -> Generator[None]:
        set_up = functools.partial(self._set_up, mode)
        with self._blocks.entered(mode, on_first=set_up, on_last=self._clear_up):
            yield

    def _set_up(self, mode: AccessMode) -> None:
        """Open the fallbacks and settle how versions are hashed."""
        self._resources = ExitStack()
        try:
            self._fallbacks = tuple(self._opened_fallback(each) for each in self.fallback_stores)
            recorded = self.read_hash_settings()
            self._settings = self._settled_settings(recorded)
            if mode == "read" and recorded is None:
                self.warn_of_missing_lake()
        except BaseException:
            self._clear_up()
            raise

    def _opened_fallback(self, store: "OpenableStore") -> Fallback:
        """A fallback that can't be opened is told only if it is needed."""
        try:
            self._resources.enter_context(store.open("read"))
        except (ConfigError, HashSettingsMismatchError):
            raise
        except Exception as error:  # noqa: BLE001 -- stores fail in whatever way their storage does
            return Fallback(store, error)
        return Fallback(store)

    def _settled_settings(self, recorded: HashSettings | None) -> HashSettings:
        told = [
            (store.display(), store.stated_hash_settings)
            for store, opened in zip(self.fallback_stores, self._fallbacks, strict=True)
            if opened.failure is None
        ]
        return settled(self._requested, recorded, told, store=self.display())

    def _clear_up(self) -> None:
        self._resources.close()
        self._fallbacks = ()
        self._settings = None
        self._has_warned = False


def _stores(fallbacks: Iterable[object]) -> "tuple[OpenableStore, ...]":
    """The fallbacks, each of which is a store and not merely the name of one."""
    if isinstance(fallbacks, str | OpenableStore):
        raise ConfigError(
            f"fallback_stores is {redact(repr(fallbacks))}; give a list of stores.",
            setting="fallback_stores",
        )
    stores = tuple(each for each in fallbacks if isinstance(each, OpenableStore))
    wrong = [each for each in fallbacks if not isinstance(each, OpenableStore)]
    if wrong:
        raise ConfigError(
            f"fallback_stores has {redact(repr(wrong[0]))}, which is no store. Give stores here; "
            "names of stores are for metaxy.toml, and init_metaxy().get_store() knows them.",
            setting="fallback_stores",
        )
    return stores


def _counting(
    open_store: Callable[[_Store, AccessMode], AbstractContextManager[object]],
) -> Callable[..., AbstractContextManager[_Store]]:
    """Wrap a subclass's `open` so that the store knows when and how it is open."""

    @functools.wraps(open_store)
    @contextmanager
    def opened(self: _Store, mode: AccessMode = "read") -> Generator[_Store]:
        if mode not in ("read", "write"):
            raise UsageError(f"The mode is {mode!r}; a store is opened for 'read' or 'write'.")
        with open_store(self, mode), self._counted(mode), at_hand(self):  # pyright: ignore[reportPrivateUsage] -- a method of the class in all but place
            yield self

    return opened
