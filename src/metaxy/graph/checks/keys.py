"""Names that would meet on disk: in a table's path, in a struct of fields, in a table's columns."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from metaxy.errors import listed
from metaxy.models.definition import FeatureDefinition
from metaxy.models.keys import FeatureKey, collision_form


def key_faults(definitions: Sequence[FeatureDefinition]) -> Iterator[str]:
    """Tell of keys that two definitions share, or that would share a table."""
    by_key: dict[FeatureKey, list[FeatureDefinition]] = defaultdict(list)
    for definition in definitions:
        by_key[definition.key].append(definition)
    for key, same in by_key.items():
        if len(same) > 1:
            places = sorted(each.class_path or "a definition without a class" for each in same)
            yield (
                f"{str(key)!r} is declared {len(same)} times, by {listed(places)}. A key names one "
                "feature: give the others keys of their own."
            )
    for first, *others in _meeting((collision_form(key), str(key)) for key in by_key):
        yield (
            f"{first!r} would share a table with {listed(others)}: case, '/', '-' and '_' do not "
            "tell tables apart in every layout. Give each a key that differs in more than these."
        )


def name_faults(definition: FeatureDefinition) -> Iterator[str]:
    """Tell of fields that would share a place in a struct, and of columns alike but for case."""
    key = str(definition.key)
    fields = [field.key for field in definition.spec.fields]
    for first, *others in _meeting((collision_form(field), str(field)) for field in fields):
        yield (
            f"{key!r} has the field {first!r} beside {listed(others)}, and they would share a "
            "place in the table: case, '/', '-' and '_' do not tell fields apart. Rename all but "
            "one."
        )
    names = {*definition.spec.id_columns, *(column.name for column in definition.columns)}
    for first, *others in _meeting((name.casefold(), name) for name in names):
        yield (
            f"{key!r} has the column {first!r} beside {listed(others)}, and tables do not tell "
            "columns apart by case. Rename all but one."
        )


def _meeting(named: Iterable[tuple[str, str]]) -> Iterator[list[str]]:
    """Give each group of two names or more that have one form, sorted."""
    groups: dict[str, list[str]] = defaultdict(list)
    for form, name in named:
        groups[form].append(name)
    return (sorted(group) for group in groups.values() if len(group) > 1)
