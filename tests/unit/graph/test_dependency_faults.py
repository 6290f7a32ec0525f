"""Unknown upstreams, upstreams named twice, and cycles."""

from definitions import faults_of, feature
from metaxy.models.feature_spec import FeatureDep

NOT_THERE = "which is not in the graph. Declare it, or import the module that does."


def test_an_unknown_upstream_is_told_with_the_nearest_key() -> None:
    """And nothing is said of what depends on knowing it."""
    assert faults_of(
        feature("video/faces", ids=("face",), deps=("video/fils",)), feature("video/files")
    ) == [f"'video/faces' depends on 'video/fils', {NOT_THERE} Did you mean 'video/files'?"]


def test_a_feature_that_depends_on_itself_is_refused() -> None:
    """It is no cycle to be drawn."""
    assert faults_of(feature("a", deps=("a",))) == [
        "'a' depends on itself. Take that dependency away."
    ]


def test_two_dependencies_on_one_upstream_are_refused() -> None:
    """One dependency can say all of it."""
    assert faults_of(feature("a"), feature("b", deps=("a", FeatureDep("a", optional=True)))) == [
        "'b' has 2 dependencies on 'a'. Make them one: columns, renames and filters all fit into "
        "it."
    ]


def test_a_cycle_is_drawn_as_a_path() -> None:
    """From its smallest key back to it; features that only lead to it or from it are left out."""
    assert faults_of(
        feature("c", deps=("a",)),
        feature("b", deps=("c", "root")),
        feature("a", deps=("b",)),
        feature("after", deps=("c",)),
        feature("root"),
    ) == [
        "'a' depends on itself in a cycle: a -> b -> c -> a. Each depends on the next; take one of "
        "these dependencies away."
    ]


def test_every_feature_on_a_cycle_is_drawn() -> None:
    """Also where cycles share features, and beside unknown upstreams."""
    faults = faults_of(
        feature("a", deps=("b",)),
        feature("b", deps=("a", "c", "nowhere")),
        feature("c", deps=("b",)),
        feature("x", deps=("y", "c")),
        feature("y", deps=("x",)),
    )

    assert [fault.partition(". ")[0] for fault in faults] == [
        "'a' depends on itself in a cycle: a -> b -> a",
        "'b' depends on 'nowhere', which is not in the graph",
        "'b' depends on itself in a cycle: b -> c -> b",
        "'x' depends on itself in a cycle: x -> y -> x",
    ]


def test_a_long_cycle_is_found() -> None:
    """No recursion limit stands in the way."""
    size = 3_000
    definitions = [
        feature(f"f{number:04}", deps=(f"f{(number + 1) % size:04}",)) for number in range(size)
    ]

    (fault,) = faults_of(*definitions)

    assert fault.startswith("'f0000' depends on itself in a cycle: f0000 -> f0001 -> f0002")
    assert "f2998 -> f2999 -> f0000. " in fault
