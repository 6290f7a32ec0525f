"""Whether columns that dependencies name exist, and whether names meet after the renames."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from metaxy.errors import did_you_mean, listed, nearest
from metaxy.graph.checks.joins import forgotten_aggregation
from metaxy.graph.inputs import Input, declared_names, known_inputs, provided_ids, renames_of
from metaxy.models.columns import SYSTEM_COLUMN_PREFIX, is_system_column
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey

_REMEDY = "Rename it in one dependency, or leave it out with `columns`."


def column_faults(
    definition: FeatureDefinition, graph: Mapping[FeatureKey, FeatureDefinition]
) -> Iterator[str]:
    """Tell of selections, renames and filters that name nothing, and of names that meet."""
    inputs = known_inputs(definition.spec, graph)
    for each in inputs:
        owner = f"'{definition.key}', dependency on '{each.key}'"
        yield from _unknown_column_faults(owner, each)
        yield from _rename_faults(owner, each)
        yield from _selection_faults(owner, each)
    yield from _collision_faults(definition, inputs)


def _unknown_column_faults(owner: str, each: Input) -> Iterator[str]:
    """A name that the class doesn't declare may still be in the table, unless it looks a slip."""
    known = declared_names(each.upstream)
    uses = {
        "`columns`": each.dep.columns or (),
        "`rename`": tuple(renames_of(each.dep)),
        "a filter": tuple(column for sql in each.dep.filters for column in sql.columns),
    }
    for use, names in uses.items():
        for name in sorted(set(names) - set(known)):
            if nearest(name, known) is not None and not is_system_column(name):
                yield (
                    f"{owner}: {use} names the column {name!r}, which '{each.key}' does not "
                    f"declare; it has {listed(known)}.{did_you_mean(name, known)}"
                )


def _rename_faults(owner: str, each: Input) -> Iterator[str]:
    renames = renames_of(each.dep)
    for new, count in Counter(renames.values()).items():
        if count > 1:
            olds = sorted(old for old in renames if renames[old] == new)
            yield f"{owner}: {listed(olds)} are all renamed to {new!r}. Give each its own name."
    for old, new in renames.items():
        if is_system_column(old) or is_system_column(new):
            yield (
                f"{owner}: {old!r} is renamed to {new!r}, but columns that start with "
                f"'{SYSTEM_COLUMN_PREFIX}' are the system's. Use other names."
            )


def _selection_faults(owner: str, each: Input) -> Iterator[str]:
    if each.dep.columns is None:
        return
    chosen = {*each.dep.columns, *each.upstream.spec.id_columns}
    if system := sorted(name for name in chosen if is_system_column(name)):
        yield (
            f"{owner}: `columns` names {listed(system)}, but system columns are not carried from "
            "one feature to another. Take them out."
        )
    if each.lineage.kind == "aggregation":
        renames = renames_of(each.dep)
        outside = sorted(
            name for name in each.dep.columns if renames.get(name, name) not in each.lineage.on
        )
        if outside:
            yield (
                f"{owner}: `columns` names {listed(outside)}, but an aggregation gives one row a "
                f"group with the columns of `on` only: {listed(each.lineage.on)}. Take them out, "
                "and read the members where the feature is computed."
            )
    elif unchosen := sorted(set(renames_of(each.dep)) - chosen):
        yield (
            f"{owner}: `rename` names {listed(unchosen)}, which `columns` leaves out. Add them to "
            "`columns`, or drop the rename."
        )


def _collision_faults(definition: FeatureDefinition, inputs: Sequence[Input]) -> Iterator[str]:
    """Tell of ordinary columns that meet one another or an id column, also by case alone."""
    ids = {name.casefold(): name for name in definition.spec.id_columns}
    ids |= {name.casefold(): name for each in inputs for name in each.id_columns}
    meeting: dict[str, list[str]] = defaultdict(list)
    for each in inputs:
        kept = [(name, source) for name, source in each.carried if name == source]
        # Renames of one dependency onto one name have been told of already: they count once.
        renamed = {name: source for name, source in each.carried if name != source}
        for name, source in (*kept, *renamed.items()):
            meeting[name.casefold()].append(_described(each.key, name, source))
    if forgotten_aggregation(definition, inputs) is not None:
        for name in set(definition.spec.id_columns) - provided_ids(inputs):
            meeting.pop(name.casefold(), None)
    for form, sources in sorted(meeting.items()):
        if form in ids:
            yield (
                f"'{definition.key}': {' and '.join(sources)} would collide with the id column "
                f"{ids[form]!r}. {_REMEDY}"
            )
        elif len(sources) > 1:
            yield (f"'{definition.key}': {' and '.join(sources)} would be one column. {_REMEDY}")


def _described(upstream: FeatureKey, name: str, source: str) -> str:
    renamed = f" (renamed from {source!r})" if name != source else ""
    return f"column {name!r} of '{upstream}'{renamed}"
