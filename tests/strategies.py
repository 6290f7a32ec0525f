"""Hypothesis strategies for graphs of features that fit together.

They mix lineages, renames of columns and of ids, selections, filters, optional dependencies, fields
mappings and field dependencies. Features are small (1 to 3 fields, up to 3 dependencies) and valid
by construction. No two features declare a column of one name.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from metaxy.graph.graph import FeatureGraph
from metaxy.models.columns import ColumnSpec
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureDep, FeatureSpec
from metaxy.models.fields import ALL, FieldDep, FieldSpec
from metaxy.models.fields_mapping import FieldsMapping
from metaxy.models.keys import FieldKey
from metaxy.models.lineage import Lineage

FIELD_NAMES = ("default", "audio", "video/frames", "frames")
ROOT_IDS = ("x", "y", "z")

Definitions = tuple[FeatureDefinition, ...]


@dataclass(frozen=True)
class _Join:
    """A first dependency, the ids of the feature that it makes, and what it joins on."""

    dep: FeatureDep
    ids: tuple[str, ...]
    provided: tuple[str, ...]


def feature_graphs(*, max_size: int = 6) -> st.SearchStrategy[FeatureGraph]:
    """Graphs of 1 to `max_size` features."""
    return feature_definitions(max_size=max_size).map(FeatureGraph.from_definitions)


@st.composite
def feature_definitions(draw: st.DrawFn, *, max_size: int = 6) -> Definitions:
    """The definitions of a valid graph, each after those that it depends on."""
    definitions: list[FeatureDefinition] = []
    for number in range(draw(st.integers(1, max_size))):
        definitions.append(draw(_definitions(tuple(definitions), number=number)))
    return tuple(definitions)


@st.composite
def _definitions(draw: st.DrawFn, before: Definitions, *, number: int) -> FeatureDefinition:
    upstreams = draw(_some(before, max_size=3)) if before else ()
    ids, deps = draw(_inputs(upstreams, number=number)) if upstreams else (draw(_root_ids()), ())
    names = draw(_some(FIELD_NAMES[:3], min_size=1, max_size=3))
    fields = tuple(draw(_fields(name, upstreams)) for name in names)
    spec = FeatureSpec(
        draw(st.sampled_from([f"feature{number}", f"group/feature{number}"])),
        id_columns=ids,
        deps=deps,
        fields=fields,
        description=draw(st.sampled_from([None, "what it is"])),
        tags=draw(_some(("new", "slow"), max_size=2)),
        metadata=draw(st.sampled_from([{}, {"owner": "us", "sla": {"hours": 4, "days": [1, 2]}}])),
    )
    columns = tuple(
        ColumnSpec(f"c{number}_{each}", dtype)
        for each, dtype in enumerate(draw(st.sampled_from([(), ("int64",), ("int64", "string")])))
    )
    return FeatureDefinition(spec, draw(st.sampled_from(["films", "sounds"])), columns)


@st.composite
def _inputs(
    draw: st.DrawFn, upstreams: Definitions, *, number: int
) -> tuple[tuple[str, ...], tuple[FeatureDep, ...]]:
    """The id columns of a feature, and its dependencies, of which the first makes them."""
    first, *others = upstreams
    join = draw(_first_joins(first, number=number))
    deps = [join.dep]
    for other in others:
        ids = set(other.spec.id_columns)
        if shared := sorted(ids & set(join.provided)):
            lineage = Lineage.identity() if len(shared) == len(ids) else Lineage.aggregation(shared)
            options = draw(_options(other, lineage, number=number))
            optional = draw(st.booleans()) and not join.dep.optional
            deps.append(FeatureDep(other.key, lineage=lineage, optional=optional, **options))
    if len(deps) == 1 and draw(st.integers(0, 4)) == 0:
        deps = [deps[0].model_copy(update={"optional": True})]
    return join.ids, tuple(deps)


@st.composite
def _first_joins(draw: st.DrawFn, upstream: FeatureDefinition, *, number: int) -> _Join:
    old_ids = upstream.spec.id_columns
    renamed = draw(_some(old_ids, max_size=1))
    rename = {name: f"{name}_of_{number}" for name in renamed}
    ids = tuple(rename.get(name, name) for name in old_ids)
    kind = draw(st.sampled_from(["identity", "identity", "aggregation", "expansion"]))
    lineage, made, provided = Lineage.identity(), ids, ids
    if kind == "aggregation":
        made = provided = draw(_some(ids, min_size=1, max_size=len(ids)))
        lineage = Lineage.aggregation(made)
    elif kind == "expansion":
        lineage = Lineage.expansion(ids)
        made = draw(st.sampled_from([(*ids, f"child{number}"), (f"child{number}",)]))
    options = draw(_options(upstream, lineage, number=number))
    options["rename"] = options["rename"] | rename
    return _Join(FeatureDep(upstream.key, lineage=lineage, **options), made, provided)


@st.composite
def _options(
    draw: st.DrawFn, upstream: FeatureDefinition, lineage: Lineage, *, number: int
) -> dict[str, Any]:
    names = tuple(column.name for column in upstream.columns)
    whole_rows = lineage.kind != "aggregation"
    columns = draw(st.none() | _some(names, max_size=2)) if whole_rows else None
    renamable = names if columns is None else columns
    renamed = draw(_some(renamable, max_size=1)) if whole_rows and renamable else ()
    filtered = upstream.spec.id_columns[0]
    return {
        "columns": columns,
        "rename": {name: f"{name}_in_{number}" for name in renamed},
        "filters": draw(
            _some((f"{filtered} > 'a'", f"{filtered} IS NOT NULL OR {filtered} = 'b'"), max_size=2)
        ),
        "fields_mapping": draw(_mappings(upstream)),
    }


@st.composite
def _mappings(draw: st.DrawFn, upstream: FeatureDefinition) -> FieldsMapping:
    theirs = [str(each.key) for each in upstream.spec.fields]
    return draw(
        st.sampled_from(
            [
                FieldsMapping.default(),
                FieldsMapping.default(match_suffix=True),
                FieldsMapping.default(exclude_fields=theirs[:1]),
                FieldsMapping.all(),
                FieldsMapping.none(),
            ]
        )
    )


@st.composite
def _fields(draw: st.DrawFn, name: str, upstreams: Definitions) -> FieldSpec:
    code_version = draw(st.sampled_from(["1", "2", "v3"]))
    how = draw(st.sampled_from(["mapping", "mapping", "all", "none", "some"]))
    deps: Any = {"mapping": None, "all": ALL, "none": ()}.get(how, ())
    if how == "some" and upstreams:
        fields = [each.key for each in upstreams[0].spec.fields]
        deps = (FieldDep(upstreams[0].key, draw(st.sampled_from([ALL, fields[:1], fields]))),)
    return FieldSpec(FieldKey(name), code_version, deps=deps)


def _root_ids() -> st.SearchStrategy[tuple[str, ...]]:
    return _some(ROOT_IDS, min_size=1, max_size=2)


def _some(
    items: tuple[Any, ...], *, min_size: int = 0, max_size: int
) -> st.SearchStrategy[tuple[Any, ...]]:
    """Some of the items, each once, in any order."""
    if not items:
        return st.just(())
    return st.lists(st.sampled_from(items), min_size=min_size, max_size=max_size, unique=True).map(
        tuple
    )
