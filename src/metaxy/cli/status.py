"""`metaxy status`: what is to be computed."""

from collections.abc import Sequence
from datetime import datetime

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.moment import at_option
from metaxy.cli.opening import OpenStore, opened_store
from metaxy.cli.options import features_argument, json_option, store_option
from metaxy.errors import counted, listed
from metaxy.models.keys import FeatureKey
from metaxy.project.status import FeatureState, FeatureStatus, feature_status, own_features
from metaxy.project.stores import store_name

_WORDS: dict[FeatureState, str] = {
    "in_sync": "in sync",
    "pending": "pending",
    "waiting": "waiting",
    "not_compared": "not compared",
    "not_written": "not written",
    "failed": "failed",
}


@click.command(
    cls=Command,
    examples=[
        ("metaxy status", "All features of the project."),
        ("metaxy status video/faces", "One feature."),
        ("metaxy status --json >status.json", "For a program; 2 is the exit code for pending."),
    ],
)
@features_argument()
@at_option
@store_option
@json_option
def status(
    *,
    features: Sequence[str],
    moment: datetime | str | None,
    store_name: str | None,
    as_json: bool,
) -> ExitCode:
    """Tell what is to be computed.

    Each feature comes after those that it depends on, with the records that the store has and
    those to be added, changed or removed. A root feature is not compared: only who knows its
    samples can tell what it lacks. With --at the lake is the one of that moment, while the features
    are those of the code.

    Exits with 0 if all is in sync, with 2 if something is to be computed, with 1 on errors.
    """
    with opened_store(store_name, moment=moment) as opened:
        statuses = _statuses(opened, features)
        if as_json:
            output.json_data(_as_json(opened, statuses))
        else:
            _print(opened, statuses)
            output.message(f"\n{_summary(statuses)}")
    if any(each.state == "failed" for each in statuses):
        return ExitCode.ERROR
    return ExitCode.PENDING if any(each.is_pending for each in statuses) else ExitCode.OK


def _statuses(opened: OpenStore, features: Sequence[str]) -> list[FeatureStatus]:
    if features:
        asked = [opened.graph.definition(FeatureKey(feature)).key for feature in features]
        keys = opened.graph.topological_order(asked)
    else:
        keys = own_features(opened.graph, opened.store.project)
    statuses: list[FeatureStatus] = []
    with output.progress(len(keys)) as begin:
        for key in keys:
            begin(str(key))
            statuses.append(feature_status(opened.store, key))
    return statuses


def _print(opened: OpenStore, statuses: Sequence[FeatureStatus]) -> None:
    output.table(
        ["feature", "state", "records", "added", "changed", "removed", "source", "last write"],
        [
            (
                str(each.key),
                _WORDS[each.state],
                each.records,
                each.added,
                each.changed,
                each.removed,
                _source_name(opened, each),
                each.last_write_at,
            )
            for each in statuses
        ],
        numbers=("records", "added", "changed", "removed"),
    )
    notes = [f"{each.key}: {note}" for each in statuses for note in _notes(each)]
    notes += _other_stores(opened, statuses)
    roots = [str(each.key) for each in statuses if _could_be_compared(each)]
    if roots:
        notes.append(f"Not compared: roots. resolve_update(…, samples=…) of {listed(roots)} can.")
    if notes:
        output.message("\n" + "\n".join(notes))


def _source_name(opened: OpenStore, status: FeatureStatus) -> str | None:
    if status.source is None:
        return None
    return store_name(opened.project.config, opened.name, status.source.place)


def _other_stores(opened: OpenStore, statuses: Sequence[FeatureStatus]) -> list[str]:
    """Which stores the names of sources stand for, apart from the one that is asked."""
    stores = {
        _source_name(opened, each): each.source.store
        for each in statuses
        if each.source is not None and each.source.is_fallback
    }
    return [f"Fallback store '{name}': {store}." for name, store in stores.items()]


def _notes(status: FeatureStatus) -> list[str]:
    notes: list[str] = []
    if status.error is not None:
        notes.append(status.error)
    if status.unanswered is not None:
        notes.append(status.unanswered)
    if status.waits_for:
        upstreams = listed(map(str, status.waits_for))
        noun = "upstream" if len(status.waits_for) == 1 else "upstreams"
        notes.append(f"no records of the current version of its {noun} {upstreams} yet.")
    if status.has_older_versions:
        notes.append("the store has records of older versions of it only.")
    if status.counts_parents and (status.added or status.changed):
        columns = ", ".join(status.grain)
        notes.append(f"added and changed count what it is made from, by {columns}.")
    if status.state == "not_written" and not status.has_older_versions:
        notes.append("a root without records; write_metadata(…) adds the first.")
    return notes


def _could_be_compared(status: FeatureStatus) -> bool:
    """Whether it is a root of which this store has what samples would be compared with."""
    is_own = status.source is not None and not status.source.is_fallback
    return status.state == "not_compared" and is_own


def _summary(statuses: Sequence[FeatureStatus]) -> str:
    pending = [each for each in statuses if each.is_pending]
    failed = sum(each.state == "failed" for each in statuses)
    ending = f" {counted(failed, 'feature')} could not be asked." if failed else ""
    if not pending:
        return ("" if failed else "In sync: nothing is to be computed.") + ending.lstrip()
    return f"Pending: {len(pending)} of {counted(len(statuses), 'feature')}.{ending}"


def _as_json(opened: OpenStore, statuses: Sequence[FeatureStatus]) -> dict[str, object]:
    return {
        "store": opened.name,
        "in_sync": not any(each.is_pending or each.state == "failed" for each in statuses),
        "features": [
            {
                "feature": str(each.key),
                "project": each.project,
                "feature_version": each.feature_version,
                "state": each.state,
                "records": each.records,
                "added": each.added,
                "changed": each.changed,
                "removed": each.removed,
                "last_write_at": each.last_write_at,
                "grain": list(each.grain),
                "counts_parents": each.counts_parents,
                "waits_for": [str(key) for key in each.waits_for],
                "has_older_versions": each.has_older_versions,
                "source": _source_name(opened, each),
                "source_store": None if each.source is None else each.source.store,
                "unanswered": each.unanswered,
                "error": each.error,
            }
            for each in statuses
        ],
    }
