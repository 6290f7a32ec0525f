"""A run: the nodes that take part, their order, and what is on record of it."""

import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from metaxy.errors import DefinitionError, UsageError, redact
from metaxy.meta_tables.persisting import PersistManager
from metaxy.meta_tables.storage import StorageClass, is_storage_class
from metaxy.metadata_store.pushing import record_event
from metaxy.metadata_store.writing import WriteResult

Identity = tuple[str, str]
"""What makes two nodes one: the update hash, and the uid of the table."""


class Runnable(Protocol):
    """A node as a run sees it."""

    @property
    def persist_manager(self) -> PersistManager:
        """Of its table."""
        ...

    @property
    def update_hash(self) -> str:
        """Of its logic and parameters."""
        ...

    def needed(self) -> "Mapping[str, Runnable | StorageClass]":
        """What it depends on."""
        ...

    def run_alone(self, *, run_id: str, idempotency_key: str) -> WriteResult:
        """Compute and write."""
        ...


def run_nodes(node: Runnable, *, run_id: str | None, with_dependencies: bool) -> WriteResult:
    """Run a node, after the nodes that it depends on."""
    if run_id is not None and (not isinstance(run_id, str) or not run_id):  # pyright: ignore[reportUnnecessaryIsInstance] -- users give anything
        raise UsageError(f"run_id is {run_id!r}; give a name for the run, or None")
    name = run_id or uuid.uuid4().hex
    order = run_order(node)
    ran = order if with_dependencies else order[-1:]
    with ExitStack() as stack:
        # All stay open until the end, since frames of one node may be lazy ones of another.
        for each in order:
            mode = "write" if each in ran else "read"
            stack.enter_context(each.persist_manager.store.open(mode))
        return [_recorded_run(each, name) for each in ran][-1]


def run_order(node: Runnable) -> list[Runnable]:
    """The nodes of a run, each once, behind all that it depends on; the one that is asked for last.

    Raises:
        DefinitionError: They depend on one another in a circle, which is drawn.
        StorageNotRegisteredError: A storage class among them is registered nowhere.
    """
    ordered: dict[Identity, Runnable] = {}
    _visit(node, ordered, path={})
    return list(ordered.values())


def identity(node: Runnable) -> Identity:
    """Equal for nodes that are one."""
    return node.update_hash, str(node.persist_manager.contract.uid)


def _visit(
    node: Runnable, ordered: dict[Identity, Runnable], *, path: Mapping[Identity, str]
) -> None:
    me = identity(node)
    if me in path:
        names = list(path.values())[list(path).index(me) :]
        raise DefinitionError(
            "Nodes depend on one another in a circle: " + " → ".join([*names, names[0]])
        )
    if me in ordered:
        return
    for name, other in node.needed().items():
        if isinstance(other, type):
            _check_readable(node, name, other)
        elif not callable(getattr(other, "run_alone", None)):
            raise _nothing_to_need(node, name, f"a {type(other).__name__}")
        else:
            _visit(other, ordered, path={**path, me: type(node).__name__})
    ordered[me] = node


def _check_readable(node: Runnable, name: str, storage: type) -> None:
    if not is_storage_class(storage):
        raise _nothing_to_need(node, name, storage.__qualname__)
    store = node.persist_manager.store
    PersistManager(storage, store=store).check_registered(allow_fallback=True)


def _nothing_to_need(node: Runnable, name: str, what: str) -> DefinitionError:
    return DefinitionError(
        f"{type(node).__name__} depends by the name {name!r} on {what}, which is neither a node "
        "nor a storage class"
    )


def _recorded_run(node: Runnable, run_id: str) -> WriteResult:
    """Run one node, and leave on record that it began and how it ended."""
    contract, store = node.persist_manager.contract, node.persist_manager.store

    record = partial(
        record_event,
        store,
        project=contract.project,
        feature=contract.key,
        node=type(node).__name__,
        update_hash=node.update_hash,
        run_id=run_id,
    )
    record("update_started")
    try:
        with store.open("write"):  # so that this one is at hand, whichever others are open
            result = node.run_alone(run_id=run_id, idempotency_key=f"{node.update_hash} {run_id}")
    except BaseException as error:
        try:
            record("update_failed", error=f"{type(error).__name__}: {redact(str(error))}")
        except Exception as silent:  # noqa: BLE001 -- what went wrong first is what must be told
            error.add_note(f"That it failed could not be recorded: {silent}")
        raise
    record("update_finished", rows=result.rows, already_committed=result.already_committed)
    return result
