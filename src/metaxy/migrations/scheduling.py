"""In which order operations run: each after those that it needs, the others beside each other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeAlias

from metaxy.graph.graph import FeatureGraph
from metaxy.models.keys import FeatureKey

Needs: TypeAlias = Mapping[str, Collection[str]]
"""By id, those that must be done before, which all stand before it in the order."""


def needs_of(
    operations: Sequence[tuple[str, FeatureKey]], graph: FeatureGraph
) -> dict[str, set[str]]:
    """Tell which operations must be done before each.

    Those are the earlier ones about the same feature or one upstream of it. What an operation about
    a feature that the graph doesn't know may need can't be told, so it needs all earlier ones.

    Args:
        operations: The id and the feature of each, in order.
    """
    needs: dict[str, set[str]] = {}
    for position, (name, feature) in enumerate(operations):
        earlier = operations[:position]
        above = {feature, *graph.upstream(feature)} if feature in graph else None
        needs[name] = {other for other, key in earlier if above is None or key in above}
    return needs


def run_in_order(
    order: Sequence[str],
    needs: Needs,
    *,
    work: Callable[[str], bool],
    skip: Callable[[str, Collection[str]], None],
    parallel: int = 1,
) -> None:
    """Do everything that can be done.

    Args:
        work: Does one, and tells whether that went well. If it raises, nothing more is begun, and
            the error is raised once those that are running have ended.
        skip: Called, in place of `work`, for one whose needs weren't met, with those.
        parallel: How many may run at once, each in a thread; with 1 all run in this one.
    """
    if parallel == 1:
        _run_here(order, needs, work=work, skip=skip)
        return
    done: dict[str, bool] = {}
    waiting = list(order)
    running: dict[Future[bool], str] = {}
    with ThreadPoolExecutor(parallel, thread_name_prefix="metaxy-migration") as threads:
        while waiting or running:
            for name in [each for each in waiting if done.keys() >= set(needs[each])]:
                waiting.remove(name)
                if failed := [each for each in needs[name] if not done[each]]:
                    skip(name, failed)
                    done[name] = False
                else:
                    running[threads.submit(work, name)] = name
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                done[running.pop(future)] = future.result()


def _run_here(
    order: Sequence[str],
    needs: Needs,
    *,
    work: Callable[[str], bool],
    skip: Callable[[str, Collection[str]], None],
) -> None:
    done: dict[str, bool] = {}
    for name in order:
        if failed := [each for each in needs[name] if not done[each]]:
            skip(name, failed)
            done[name] = False
        else:
            done[name] = work(name)
