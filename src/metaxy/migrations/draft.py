"""The migration that a difference between snapshots asks for: operations, reasons, comments.

A reason is filled in where it can be proved; otherwise somebody has to say why the results are the
same, and the comment beside the operation says what changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from metaxy.errors import counted
from metaxy.graph.changes import Change
from metaxy.migrations import yaml_text
from metaxy.migrations.detect import DetectedChange, Detection
from metaxy.migrations.ops import TODO, BaseOperation, DataVersionReconciliation
from metaxy.migrations.spelling import FORMAT
from metaxy.models.keys import FeatureKey

UNWRITTEN: Final = f"{TODO}: why are the results the same?"
_SHOWN: Final = 12
_HEAD: Final = """\
Written by `metaxy migrations generate`, for you to review.
Each operation says: records that were up to date stay so, though the definition is another.
Take out those whose results would be others now: their records are computed again.
Replace every TODO by the reason. Then run: metaxy migrations apply --dry-run
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedOperation:
    """One operation of a draft.

    Attributes:
        data: As a file has it; what its type needs besides may be missing.
        comment: What changed, for the reviewer.
    """

    feature: FeatureKey
    data: Mapping[str, object]
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A migration that can be written to a file.

    Attributes:
        operations: Upstreams first; empty where there is nothing to carry.
        left_out: Affected features that get no operation, with every reason.
    """

    detection: Detection
    migration_id: str
    parent: str
    created_at: datetime
    operations: tuple[DraftedOperation, ...]
    left_out: Mapping[FeatureKey, tuple[str, ...]]

    @property
    def description(self) -> str:
        """What is in it, in a sentence."""
        drafted = {each.feature for each in self.operations}
        changed = len([each for each in self._own() if each in drafted])
        more = f", {len(self.left_out)} left out" if self.left_out else ""
        return (
            f"{counted(changed, 'changed feature')} and {len(drafted) - changed} downstream{more}"
        )

    def to_data(self) -> dict[str, object]:
        """Give it as a file has it."""
        return {
            "version": FORMAT,
            "id": self.migration_id,
            "parent": self.parent,
            "description": self.description,
            "created_at": self.created_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "project": self.detection.project,
            "from_snapshot_version": self.detection.from_snapshot_version,
            "to_snapshot_version": self.detection.to_snapshot_version,
            "ops": [dict(each.data) for each in self.operations],
        }

    def to_text(self) -> str:
        """Give it as the file that is reviewed, with comments."""
        data = self.to_data()
        del data["ops"]
        parts = [yaml_text.as_comment(_HEAD), yaml_text.written(data), "\nops:\n"]
        for number, each in enumerate(self.operations):
            item = yaml_text.written({"ops": [dict(each.data)]}).removeprefix("ops:\n")
            parts += ["\n" if number else "", yaml_text.as_comment(each.comment, indent=2), item]
        if self.left_out:
            parts.append("\n" + yaml_text.as_comment("\n".join(self._left_out_lines())))
        return "".join(parts)

    def _own(self) -> list[FeatureKey]:
        return [each.feature for each in self.detection.changes if each.is_own]

    def _left_out_lines(self) -> Iterator[str]:
        yield "Not carried over, so the records of these are computed again:"
        for feature, reasons in self.left_out.items():
            yield f"- {feature}"
            for reason in reasons:
                yield f"    {reason}"


def drafted(
    detection: Detection,
    *,
    migration_id: str,
    parent: str,
    created_at: datetime,
    operation: type[BaseOperation] = DataVersionReconciliation,
    assume_same_result: bool = False,
) -> Draft:
    """Make a draft of what was detected.

    Args:
        operation: What features that changed themselves get; those downstream are reconciled.
        assume_same_result: Reconcile those, too, of which nobody but the user can say that the
            results are the same; the reasons are left to be written.
    """
    own = {each.feature: each for each in detection.changes if each.is_own}
    is_backfill = operation is not DataVersionReconciliation
    refused = detection.refusals(
        backfilled=own if is_backfill else (), assume_same_result=assume_same_result
    )
    follows = {each.feature: each for each in detection.downstream}
    operations = [
        _changed(own[key], operation, is_unproved=detection.is_unproved(key))
        if key in own
        else DraftedOperation(
            feature=key,
            data=_data(DataVersionReconciliation, key, reason=str(follows[key])),
            comment=_versions(key, detection),
        )
        for key, reasons in refused.items()
        if not reasons
    ]
    return Draft(
        detection=detection,
        migration_id=migration_id,
        parent=parent,
        created_at=created_at,
        operations=tuple(operations),
        left_out={key: reasons for key, reasons in refused.items() if reasons},
    )


def _changed(
    change: DetectedChange, operation: type[BaseOperation], *, is_unproved: bool
) -> DraftedOperation:
    is_reconciled = operation is DataVersionReconciliation
    proved = _proved_reason(change) if is_reconciled and not is_unproved else None
    data = _data(operation, change.feature, reason=proved or UNWRITTEN)
    if is_reconciled and is_unproved:
        data["assume_same_result"] = True
    facts = [*map(str, change.changes), *map(str, change.renames), *_needs(operation)]
    head = f"{change.feature}: {_shown(change.from_feature_version, change.to_feature_version)}"
    return DraftedOperation(
        feature=change.feature,
        data=data,
        comment="\n".join([head, *(f"  {fact}" for fact in facts)]),
    )


def _proved_reason(change: DetectedChange) -> str | None:
    """Why the results are the same, if that follows from the definitions alone."""
    counting = [each for each in change.changes if each.changes_version]
    if counting and all(each.kind == "field" and each.new is None for each in counting):
        return f"Only takes fields away: {_gone(counting)}. The others are as they were."
    return None


def _gone(changes: list[Change]) -> str:
    return ", ".join(str(each.old) for each in changes)


def _data(operation: type[BaseOperation], feature: FeatureKey, *, reason: str) -> dict[str, object]:
    return {
        "id": operation.default_id(feature),
        "type": operation.type_name(),
        "feature_key": list(feature.parts),
        "reason": reason,
    }


def _needs(operation: type[BaseOperation]) -> Iterator[str]:
    """Tell what else somebody has to fill in."""
    names = [
        name
        for name, field in operation.model_fields.items()
        if field.is_required() and name != "feature_key" and name not in BaseOperation.model_fields
    ]
    if names:
        yield f"To be filled in: {', '.join(names)}"


def _versions(feature: FeatureKey, detection: Detection) -> str:
    (found,) = (each for each in detection.downstream if each.feature == feature)
    return f"{feature}: {_shown(found.from_feature_version, found.to_feature_version)}"


def _shown(old: str, new: str) -> str:
    return f"{old[:_SHOWN]} -> {new[:_SHOWN]}"
