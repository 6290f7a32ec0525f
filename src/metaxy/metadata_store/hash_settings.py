"""How a lake hashes: recorded with its first table, and the same for all who use it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from metaxy.errors import ConfigError, HashSettingsMismatchError, did_you_mean, listed
from metaxy.hashing import truncate
from metaxy.versioning.row_hash import MIN_TRUNCATION, RowHasher
from metaxy.versioning.types import HashAlgorithm

MAX_TRUNCATION: Final = 64
"""The length of the longest version."""


@dataclass(frozen=True, slots=True)
class HashSettings:
    """The row hash and the length of every version in a lake.

    Attributes:
        truncation: In characters; None keeps versions whole.
    """

    algorithm: HashAlgorithm = HashAlgorithm.XXHASH64
    truncation: int | None = None

    @property
    def hasher(self) -> RowHasher:
        """The row hash."""
        return RowHasher(self.algorithm, self.truncation)

    def stamp(self, version: str) -> str:
        """A definition's version as it stands in the lake."""
        return truncate(version, self.truncation)

    def agrees_with(self, settings: "HashSettings") -> bool:
        """Whether versions hashed so can be compared with versions hashed with `settings`."""
        return self == settings

    def __str__(self) -> str:
        length = "not truncated" if self.truncation is None else f"truncated to {self.truncation}"
        return f"{self.algorithm}, {length}"


@dataclass(frozen=True, slots=True)
class RequestedSettings:
    """What somebody asked for; None leaves it to the lake."""

    algorithm: HashAlgorithm | None = None
    truncation: int | None = None

    @classmethod
    def checked(
        cls, algorithm: HashAlgorithm | str | None, truncation: int | None
    ) -> "RequestedSettings":
        """What a caller asks for, in whatever form.

        Raises:
            ConfigError: There is no such algorithm, or the length is not from 8 to 64.
        """
        known = [each.value for each in HashAlgorithm]
        if algorithm is not None and algorithm not in known:
            raise ConfigError(
                f"hash_algorithm is {algorithm!r}; known are {listed(known)}."
                f"{did_you_mean(str(algorithm), known)}",
                setting="hash_algorithm",
            )
        if truncation is not None and not MIN_TRUNCATION <= truncation <= MAX_TRUNCATION:
            raise ConfigError(
                f"hash_truncation_length is {truncation}; it is a number of characters from "
                f"{MIN_TRUNCATION} to {MAX_TRUNCATION}, or None to keep versions whole.",
                setting="hash_truncation_length",
            )
        return cls(None if algorithm is None else HashAlgorithm(algorithm), truncation)

    def __str__(self) -> str:
        wanted = [str(self.algorithm)] if self.algorithm is not None else []
        wanted += [f"truncated to {self.truncation}"] if self.truncation is not None else []
        return ", ".join(wanted)

    def agrees_with(self, settings: HashSettings) -> bool:
        """Whether a lake with these settings can be used."""
        return self.algorithm in (None, settings.algorithm) and self.truncation in (
            None,
            settings.truncation,
        )


StatedSettings = HashSettings | RequestedSettings
"""How a lake hashes or, as long as it is new, is to hash."""


def settled(
    requested: RequestedSettings,
    recorded: HashSettings | None,
    fallbacks: Iterable[tuple[str, StatedSettings]],
    *,
    store: str,
) -> HashSettings:
    """The settings that a store works with.

    What the lake has recorded holds, else what was asked for, else what the first fallback has.

    Args:
        fallbacks: The display text of each fallback store, and what its lake has recorded or, as
            long as it is new, is to have.

    Raises:
        HashSettingsMismatchError: Two of them disagree.
    """
    if recorded is not None and not requested.agrees_with(recorded):
        raise HashSettingsMismatchError(
            f"{store} hashes with {recorded}, and was opened with {requested}. "
            "Leave hash_algorithm and hash_truncation_length out to use what the lake has, "
            "or use another lake.",
            got=str(requested),
            wanted=str(recorded),
            store=store,
        )
    told = list(fallbacks)
    own = recorded or _wanted([requested, *(settings for _, settings in told)])
    for name, settings in told:
        if not settings.agrees_with(own):
            raise HashSettingsMismatchError(
                f"{store} hashes with {own}, and its fallback {name} with {settings}: their "
                "versions can't be compared. Use lakes with the same hash settings.",
                got=str(settings),
                wanted=str(own),
                store=store,
            )
    return own


def still_agreed(own: HashSettings, recorded: HashSettings | None, *, store: str) -> HashSettings:
    """The settings after they were recorded, which another writer may have done just before.

    Raises:
        HashSettingsMismatchError: And recorded others.
    """
    if recorded == own:
        return own
    raise HashSettingsMismatchError(
        f"{store} was new and was to hash with {own}, but another writer has just recorded "
        f"{recorded}. Open the store again to use that.",
        got=str(own),
        wanted=str(recorded),
        store=store,
    )


def _wanted(stated: Iterable[StatedSettings]) -> HashSettings:
    """What is stated, the first statement counting; a lake states both, be it "not truncated"."""
    algorithm: HashAlgorithm | None = None
    truncation: int | None = None
    for each in stated:
        algorithm = each.algorithm if algorithm is None else algorithm
        truncation = each.truncation if truncation is None else truncation
        if isinstance(each, HashSettings):
            break
    return HashSettings(HashAlgorithm.XXHASH64 if algorithm is None else algorithm, truncation)
