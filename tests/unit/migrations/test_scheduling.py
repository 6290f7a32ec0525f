"""Operations run after those that they need, beside the others, and not after a failure."""

import threading
from collections.abc import Collection

import pytest

from definitions import feature, graph_of
from metaxy.migrations.scheduling import needs_of, run_in_order
from metaxy.models.keys import FeatureKey

DIAMOND = graph_of(
    feature("a", fields=["x"]),
    feature("b", deps=["a"], fields=["x"]),
    feature("c", deps=["a"], fields=["x"]),
    feature("d", deps=["b", "c"], fields=["x"]),
)


def operations(*keys: str) -> list[tuple[str, FeatureKey]]:
    """One a feature, with ids in capitals."""
    return [(key.upper(), FeatureKey(key)) for key in keys]


def nobody(name: str, failed: Collection[str]) -> None:
    """Expect no call."""
    raise AssertionError(name, failed)


def test_an_operation_needs_those_upstream_and_those_of_its_own_feature() -> None:
    """Also over a feature without an operation; and never one that comes later."""
    assert needs_of(operations("a", "b", "c", "d"), DIAMOND) == {
        "A": set(),
        "B": {"A"},
        "C": {"A"},
        "D": {"A", "B", "C"},
    }
    assert needs_of(operations("a", "d"), DIAMOND) == {"A": set(), "D": {"A"}}
    again = [("A", FeatureKey("a")), ("A2", FeatureKey("a"))]
    assert needs_of(again, DIAMOND) == {"A": set(), "A2": {"A"}}


def test_an_operation_on_an_unknown_feature_needs_all_before_it() -> None:
    """Nobody can tell what it reads."""
    assert needs_of(operations("b", "z"), DIAMOND)["Z"] == {"B"}


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_failure_keeps_back_what_needs_it_and_nothing_else(parallel: int) -> None:
    """What was skipped keeps back its own dependents, too."""
    done: list[str] = []
    skipped: dict[str, list[str]] = {}
    needs = needs_of(operations("a", "b", "c", "d"), DIAMOND)

    def work(name: str) -> bool:
        done.append(name)
        return name != "B"

    def skip(name: str, failed: Collection[str]) -> None:
        skipped[name] = sorted(failed)

    run_in_order("ABCD", needs, work=work, skip=skip, parallel=parallel)

    assert done[0] == "A"
    assert sorted(done) == ["A", "B", "C"]
    assert skipped == {"D": ["B"]}


def test_independent_operations_run_at_once() -> None:
    """Two wait for each other, and neither would end if they ran one after the other."""
    meeting = threading.Barrier(2, timeout=20)
    needs = needs_of(operations("b", "c"), DIAMOND)

    def work(_: str) -> bool:
        meeting.wait()
        return True

    run_in_order("BC", needs, work=work, skip=nobody, parallel=2)

    assert not meeting.broken


@pytest.mark.parametrize("parallel", [1, 3])
def test_an_error_of_the_work_ends_all(parallel: int) -> None:
    """Nothing more is begun, and the error is told."""
    begun: list[str] = []
    needs = needs_of(operations("a", "b"), DIAMOND)

    def work(name: str) -> bool:
        begun.append(name)
        raise LookupError(name)

    with pytest.raises(LookupError, match="A"):
        run_in_order("AB", needs, work=work, skip=nobody, parallel=parallel)
    assert begun == ["A"]
