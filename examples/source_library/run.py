"""Brings the library up to date with a folder: `python run.py FOLDER`.

For each feature, upstreams first: ask what must be computed, compute it, write it, delete what is
gone, ask again. Run it twice, and the second run computes nothing.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import polars as pl

import computing
from accounts import Account, Ledger, problems_in
from features import Age, File, Function, Module, PackageSummary, Review
from metaxy import BaseFeature, MetadataStore, init_metaxy

Compute = Callable[[pl.DataFrame], pl.DataFrame]
HERE = Path(__file__).parent


def steps(store: MetadataStore, folder: Path) -> dict[type[BaseFeature], Compute]:
    """How each feature is computed, in the order to go through."""
    return {
        File: lambda todo: todo,
        Age: computing.ages,
        Module: partial(computing.modules, folder=folder),
        Function: partial(computing.functions, folder=folder),
        PackageSummary: partial(computing.package_summaries, store=store),
        Review: computing.reviews,
    }


def run(store: MetadataStore, folder: Path) -> Iterator[Account]:
    """Bring every feature up to date, and tell of each what was done; the store is open."""
    store.record_feature_graph_snapshot()
    ledger = Ledger(store)
    for feature, compute in steps(store, folder).items():
        account = ledger.account(feature)
        with account.timed():
            samples = computing.files(folder) if feature is File else None
            increment = store.resolve_update(feature, samples=samples)
            todo = pl.concat([increment.added.to_polars(), increment.changed.to_polars()])
            removed = increment.removed.to_polars()
        ledger.note(account, increment, todo=todo, removed=removed)
        with account.timed():
            if len(todo):
                records = compute(todo)
                # A module without functions is recorded as such, and not offered again.
                parents = todo if feature is Function else None
                store.write_metadata(feature, records, expanded_parents=parents)
                account.problems = problems_in(records)
            if len(removed):
                store.delete_metadata(feature, records=removed)
            left = store.resolve_update(feature, samples=samples)
        yield ledger.close(account, left=left)


def main() -> None:
    """Run on the folder that is given, and print a line a feature."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of source files; only read")
    parser.add_argument("--json", action="store_true", help="print a JSON object a feature")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():  # it would look like a folder whose files are all gone
        parser.error(f"there is no folder '{arguments.folder}'")
    with init_metaxy(HERE).get_store().open("write") as store:
        for account in run(store, arguments.folder.resolve()):
            print(json.dumps(account.facts) if arguments.json else account.line, flush=True)


if __name__ == "__main__":
    main()
