"""The registry: which features there are, whose they are, and the graph that they make."""

from dataclasses import replace

import pytest

from metaxy.errors import DefinitionError, GraphError
from metaxy.feature.base import BaseFeature
from metaxy.feature.registry import FeatureRegistry
from metaxy.graph.graph import FeatureGraph
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureSpec
from metaxy.models.keys import FeatureKey


def definition(
    key: str, *, deps: tuple[str, ...] = (), path: str = "pkg.features.A", project: str = "pkg"
) -> FeatureDefinition:
    """Make a definition as a class would."""
    spec = FeatureSpec(key, id_columns=["id"], deps=deps)
    return FeatureDefinition(spec=spec, project=project, class_path=path)


def test_definitions_are_sorted_by_key() -> None:
    """The order of declarations, and so of imports, does not show."""
    registry = FeatureRegistry()
    for key in ("b", "a/c", "a"):
        registry.add(definition(key))

    assert [str(each.key) for each in registry.definitions] == ["a", "a/c", "b"]
    assert FeatureKey("a/c") in registry


def test_the_same_class_declared_again_replaces_itself() -> None:
    """As in a notebook, or when a module is loaded again."""
    registry = FeatureRegistry()
    registry.add(definition("a"))
    again = replace(definition("a"), spec=FeatureSpec("a", id_columns=["other"]))

    registry.add(again)

    assert registry.definitions == (again,)


def test_another_class_of_the_same_key_is_refused() -> None:
    """The error names the key and both classes; the first one stays."""
    registry = FeatureRegistry()
    registry.add(definition("a", path="pkg.A"))

    with pytest.raises(DefinitionError, match=r"feature 'a': pkg\.A and pkg\.B"):
        registry.add(definition("a", path="pkg.B"))
    assert registry.definitions == (definition("a", path="pkg.A"),)


def test_the_default_project_holds_for_classes_that_name_none() -> None:
    """Whether it is set before or after they are declared."""
    registry = FeatureRegistry()
    registry.add(definition("a", project="own"))
    registry.add(definition("b", project="pkg"), has_own_project=False)
    before = [each.project for each in registry.definitions]

    registry.default_project = "configured"

    assert before == ["own", "pkg"]
    assert [each.project for each in registry.definitions] == ["own", "configured"]
    assert registry.graph().definition("b").project == "configured"


def test_a_class_without_project_belongs_to_its_package() -> None:
    """The top-level package of its module, unless the registry says otherwise."""
    with FeatureRegistry().use() as registry:

        class A(BaseFeature, spec=FeatureSpec("a", id_columns=["id"])): ...

        package = A.definition().project
        registry.default_project = "configured"

        assert package == __name__.partition(".")[0]
        assert A.definition().project == "configured"
        assert registry.definitions == (A.definition(),)


def test_the_graph_is_made_once_until_something_is_declared() -> None:
    """Asking twice costs nothing; a new feature is seen at once."""
    registry = FeatureRegistry()
    registry.add(definition("a"))
    first = registry.graph()
    again = registry.graph()

    registry.add(definition("b", deps=("a",)))

    assert again is first
    assert FeatureKey("b") in registry.graph()


def test_faults_between_features_come_when_the_graph_is_asked_for() -> None:
    """Declaring in any order is fine, as long as all is there in the end."""
    registry = FeatureRegistry()
    registry.add(definition("b", deps=("a",)))

    with pytest.raises(GraphError):
        registry.graph()
    registry.add(definition("a"))
    assert len(registry.graph()) == 2


def test_the_registry_in_use_gives_the_active_graph() -> None:
    """Blocks nest, and what is declared inside one is not seen outside."""
    with FeatureRegistry().use() as outer:
        outer.add(definition("a"))
        with FeatureRegistry().use() as inner:
            inner.add(definition("b"))
            assert FeatureRegistry.active() is inner
            assert FeatureGraph.get_active().keys == (FeatureKey("b"),)
        assert FeatureGraph.get_active().keys == (FeatureKey("a"),)
    assert FeatureKey("a") not in FeatureRegistry.active()
