"""Plans: what an increment needs to know of a feature."""

from definitions import feature, graph_of
from metaxy.graph.plan import FeaturePlan, FieldPlan, InputPlan, RecordsPlan
from metaxy.models.columns import ColumnSpec
from metaxy.models.contract import TableContract
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import ALL, FieldDep, FieldSpec
from metaxy.models.fields_mapping import FieldsMapping
from metaxy.models.filters import SqlFilter
from metaxy.models.keys import FeatureKey, FieldKey
from metaxy.models.lineage import Lineage


def test_a_plan_has_everything_of_a_feature_and_its_inputs() -> None:
    """Written out for one dependency that uses everything."""
    dep = FeatureDep(
        "file",
        columns=("path",),
        rename={"shop": "store", "path": "source", "id": "id"},
        filters="path <> ''",
    )
    graph = graph_of(
        feature("file", ids=("shop", "id"), columns=("path", "size"), fields=("b", "a")),
        feature("faces", ids=("id", "store"), columns=("count",), deps=(dep,), fields=("a", "c")),
    )
    file, faces = FeatureKey("file"), FeatureKey("faces")

    assert graph.plan("faces") == FeaturePlan(
        key=faces,
        project="films",
        feature_version=graph.feature_version("faces"),
        records=RecordsPlan(faces, graph.feature_version("faces"), ("id", "store"), None),
        id_columns=("id", "store"),
        fields=(
            FieldPlan(FieldKey("a"), "1", ((file, FieldKey("a")),)),
            FieldPlan(FieldKey("c"), "1", ((file, FieldKey("a")), (file, FieldKey("b")))),
        ),
        inputs=(
            InputPlan(
                upstream=file,
                upstream_records=RecordsPlan(file, graph.feature_version("file"), ("shop", "id")),
                upstream_id_columns=("id", "shop"),
                id_columns=("id", "store"),
                columns=("path",),
                declared_columns=("id", "path", "shop", "size"),
                rename={"path": "source", "shop": "store"},
                lineage=Lineage.identity(),
                filters=(SqlFilter("path <> ''"),),
                optional=False,
                upstream_fields=(FieldKey("a"), FieldKey("b")),
            ),
        ),
        grain=("id", "store"),
        contract=TableContract(
            key=faces,
            project="films",
            columns=(ColumnSpec("count", "string"),),
            grain=("id", "store"),
        ),
    )


def test_a_root_has_no_inputs_and_is_compared_by_its_ids() -> None:
    """Its samples must be given."""
    plan = graph_of(feature("file", ids=("shop", "id"))).plan("file")

    assert (plan.is_root, plan.expands, plan.joins_full_outer) == (True, False, False)
    assert plan.grain == ("shop", "id")


def test_children_of_an_expansion_are_compared_by_their_parents() -> None:
    """The grain is all that inputs give; whoever reads the children as upstream knows it too."""
    graph = graph_of(
        feature("file", ids=("id",)),
        feature("texts", ids=("id", "lang")),
        feature(
            "chunks",
            ids=("chunk", "lang"),
            deps=(FeatureDep("file", lineage=Lineage.expansion("id")), "texts"),
        ),
        feature("words", ids=("chunk", "lang"), deps=("chunks",)),
    )

    plan = graph.plan("chunks")
    assert plan.expands
    assert plan.grain == ("lang", "id")
    assert plan.records.expansion_on == ("lang", "id")
    assert graph.plan("words").inputs[0].upstream_records == plan.records
    assert graph.plan("words").records.expansion_on is None


def test_an_aggregation_is_compared_by_its_groups() -> None:
    """The upstream's other ids are left out of the join; a spec's lineage is for all its deps."""
    graph = graph_of(
        feature("frames", ids=("film", "frame")),
        feature(
            "films",
            ids=("id",),
            deps=(FeatureDep("frames", rename={"film": "id"}),),
            lineage=Lineage.aggregation("id"),
        ),
    )

    plan = graph.plan("films")
    assert plan.grain == ("id",)
    assert plan.inputs[0].upstream_id_columns == ("film", "frame")
    assert plan.inputs[0].id_columns == ("id",)
    assert plan.inputs[0].lineage == Lineage.aggregation("id")


def test_inputs_are_joined_by_shared_ids_and_optional_ones_last() -> None:
    """The smallest key begins; each next one shares an id with those before it."""
    graph = graph_of(
        feature("a", ids=("x",)),
        feature("b", ids=("y",)),
        feature("c", ids=("x", "y")),
        feature("all", ids=("x", "y"), deps=("b", FeatureDep("a", optional=True), "c")),
        feature("required", ids=("x", "y"), deps=("b", "a", "c")),
        feature("x", ids=("x",), deps=(FeatureDep("a", optional=True),)),
    )

    assert [str(each.upstream) for each in graph.plan("all").inputs] == ["b", "c", "a"]
    assert [str(each.upstream) for each in graph.plan("required").inputs] == ["a", "c", "b"]
    assert not graph.plan("all").joins_full_outer
    assert graph.plan("x").joins_full_outer


def test_the_parents_of_a_field_are_what_it_lists_or_what_the_mappings_give() -> None:
    """Always sorted; ALL is every field of every upstream."""
    graph = graph_of(
        feature("a", fields=("p", "q")),
        feature("b", fields=("p",)),
        feature(
            "c",
            deps=(FeatureDep("a", fields_mapping=FieldsMapping.specific({"s": ["q"]})), "b"),
            fields=(
                FieldSpec("s"),
                FieldSpec("all", deps=ALL),
                FieldSpec("none", deps=[]),
                FieldSpec("listed", deps=[FieldDep("b"), FieldDep("a", "q")]),
            ),
        ),
    )
    parents = {
        str(field.key): [f"{feature}.{parent}" for feature, parent in field.parents]
        for field in graph.plan("c").fields
    }

    assert parents == {
        "all": ["a.p", "a.q", "b.p"],
        "listed": ["a.q", "b.p"],
        "none": [],
        "s": ["a.q", "b.p"],
    }
