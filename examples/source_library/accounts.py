"""Keeps account of a run: what was computed, what was left alone, and what was pruned.

Nothing here is needed to use metaxy; it tells a person what happened.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import polars as pl

from metaxy import BaseFeature, FeatureKey, FeatureNotFoundError, Increment, MetadataStore

PROVENANCE = "metaxy_provenance_by_field"
CREATED_AT = "metaxy_created_at"
FEATURE_VERSION = "metaxy_feature_version"


@dataclass
class Account:
    """What one run did for one feature.

    Attributes:
        records: How many the feature has now.
        computed: How many of them this run wrote.
        added, changed, removed: What the increment asked for. For the feature that is made by
            expansion these are parents, of which each stands for any number of records; `removed`
            are records.
        pruned: How many of the others have an upstream record that this run wrote or deleted, and
            needed nothing all the same.
        fields: For each field, how many of the added and changed have new input for it.
        new_version: The feature has records, but none of its version as it is defined now.
        problems: How many of the computed records say that something was wrong with the file.
        seconds: Asking, computing, writing and asking again; without this account.
        left: What the increment asks for now; always 0.
    """

    feature: str
    upstreams: list[str]
    records: int = 0
    computed: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    pruned: int = 0
    fields: dict[str, int] = field(default_factory=dict[str, int])
    new_version: bool = False
    problems: int = 0
    seconds: float = 0.0
    left: int = 0

    @property
    def skipped(self) -> int:
        """How many records there was no need to compute."""
        return self.records - self.computed

    @property
    def facts(self) -> dict[str, object]:
        """Everything, as JSON has it."""
        return {**asdict(self), "seconds": round(self.seconds, 3), "skipped": self.skipped}

    @property
    def line(self) -> str:
        """The most of it, for a person."""
        return (
            f"{self.feature:<24} {self.records:>8,} records  {self.computed:>8,} computed  "
            f"{self.skipped:>8,} skipped  {self.removed:>6,} removed  {self.seconds:>7.2f} s"
        )

    @contextmanager
    def timed(self) -> Generator[None]:
        """Count the seconds of a block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started


def problems_in(records: pl.DataFrame) -> int:
    """Count the records that say what was wrong with their file."""
    return records["problem"].count() if "problem" in records.columns else 0


class Ledger:
    """The accounts of one run, one feature after the other, upstreams first."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._news: dict[FeatureKey, pl.DataFrame] = {}
        """By feature, one row a record that this run wrote or deleted."""
        self._commits: dict[str, pl.Series] = {}
        """By feature, when the records that it had before this run were written."""

    def account(self, feature: type[BaseFeature]) -> Account:
        """Open the account of a feature."""
        plan = self._store.graph.plan(feature)
        return Account(str(plan.key), [str(each.upstream) for each in plan.inputs])

    def note(
        self, account: Account, increment: Increment, *, todo: pl.DataFrame, removed: pl.DataFrame
    ) -> None:
        """Count what is asked for; before anything is written, while there is a before."""
        account.added, account.changed = len(increment.added), len(increment.changed)
        account.removed = len(removed)
        stored = self._stored(account.feature, current_only=False)
        version = self._store.feature_version(account.feature)
        account.new_version = not stored.is_empty() and version not in stored[FEATURE_VERSION]
        account.fields = self._new_fields(account.feature, todo, stored)
        self._commits[account.feature] = stored[CREATED_AT].unique()
        self._news[FeatureKey(account.feature)] = pl.concat([todo, removed], how="diagonal_relaxed")

    def close(self, account: Account, *, left: Increment) -> Account:
        """Count what there is now: by what is stored, not by what was meant to be written."""
        account.left = len(left.added) + len(left.changed) + len(left.removed)
        grain = list(self._store.graph.plan(account.feature).grain)
        now = self._stored(account.feature, current_only=True)
        account.records = now.height
        old = now.filter(pl.col(CREATED_AT).is_in(self._commits[account.feature].implode()))
        account.computed = now.height - old.height
        reached = [
            self._news[each.upstream].rename(dict(each.rename)).select(each.id_columns)
            for each in self._store.graph.plan(account.feature).inputs
        ]
        skipped = old.select(grain).with_row_index()
        pruned = [skipped.join(news, on=news.columns, how="semi") for news in reached]
        account.pruned = pl.concat([skipped.clear(), *pruned]).unique("index").height
        return account

    def _new_fields(self, feature: str, todo: pl.DataFrame, stored: pl.DataFrame) -> dict[str, int]:
        """For each field, how many records have another input for it than when last computed."""
        plan = self._store.graph.plan(feature)
        grain, names = list(plan.grain), [field.key.column_name for field in plan.fields]
        if stored.is_empty():
            return dict.fromkeys(names, todo.height)
        latest = stored.sort(CREATED_AT).unique(grain, keep="last")
        before = latest.select(*grain, pl.col(PROVENANCE).alias("was"))
        compared = todo.select(*grain, PROVENANCE).join(before, on=grain, how="left")
        new = [
            pl.col(PROVENANCE).struct.field(name).ne_missing(pl.col("was").struct.field(name))
            for name in names
        ]
        return {name: compared.filter(each).height for name, each in zip(names, new, strict=True)}

    def _stored(self, feature: str, *, current_only: bool) -> pl.DataFrame:
        """The records of a feature, one row each (and each feature version)."""
        plan = self._store.graph.plan(feature)
        ids = list(dict.fromkeys((*plan.grain, *plan.id_columns)))
        try:
            records = self._store.read_metadata(feature, current_only=current_only, columns=ids)
        except FeatureNotFoundError:
            texts = dict.fromkeys([*ids, FEATURE_VERSION], pl.String)
            return pl.DataFrame(schema={**texts, CREATED_AT: pl.Datetime("us", "UTC")})
        return records.collect().to_polars()
