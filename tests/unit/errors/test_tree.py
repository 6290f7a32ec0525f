"""The error tree: what is caught as what, and what survives a process boundary."""

import inspect
import pickle

import pytest

from metaxy import errors
from metaxy.errors import (
    CommitStateUnknownError,
    ConfigError,
    DefinitionError,
    EntrypointError,
    EventNotRecordedError,
    FeatureNotFoundError,
    FilterError,
    GraphError,
    HashSettingsMismatchError,
    InvalidKeyError,
    MetadataSchemaError,
    MetaxyError,
    MetaxyWarning,
    MissingColumnsError,
    ProjectMismatchError,
    StoreError,
    SystemDataNotFoundError,
    WriteConflictError,
)

ALL_ERRORS = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, BaseException) and cls.__module__ == errors.__name__
]
EXAMPLES = [
    ConfigError("a", setting="project"),
    DefinitionError("A spec", ["b", "c"]),
    InvalidKeyError("A key", "b", key="k"),
    GraphError(["z", "a"]),
    FilterError("a", sql="x =", position=3),
    FeatureNotFoundError("a", feature="f"),
    EntrypointError("a", entrypoint="pkg.mod"),
    MetadataSchemaError("Records", ["b"], store="s", feature="f"),
    MissingColumnsError("a", "b", missing=["x"], available=["y"]),
    HashSettingsMismatchError("a", got="md5", wanted="sha256", store="s"),
    ProjectMismatchError("a", got="p", wanted="q", feature="f"),
    WriteConflictError("a", attempts=5),
    CommitStateUnknownError("a", store="s"),
    EventNotRecordedError("a", kind="k", store="s", feature="f"),
]


def test_every_error_is_in_the_drawing() -> None:
    """The docstring of the module draws the whole tree."""
    drawn = errors.__doc__ or ""

    assert [cls.__name__ for cls in ALL_ERRORS if f"{cls.__name__}" not in drawn] == []


@pytest.mark.parametrize("cls", ALL_ERRORS)
def test_every_error_is_a_metaxy_error(cls: type[BaseException]) -> None:
    """One `except MetaxyError` catches all that metaxy raises on purpose, one filter its warnings.

    A warning that is made an error is none of them.
    """
    assert issubclass(cls, MetaxyWarning if issubclass(cls, Warning) else MetaxyError)


@pytest.mark.parametrize(
    "cls", [ConfigError, DefinitionError, GraphError, FilterError, MetadataSchemaError]
)
def test_wrong_input_is_a_value_error(cls: type[BaseException]) -> None:
    """Where a value of the caller's is wrong, the error is a ValueError too."""
    assert issubclass(cls, ValueError)


def test_absence_is_a_lookup_error() -> None:
    """A missing feature or system table is a LookupError; a missing module an ImportError."""
    assert issubclass(SystemDataNotFoundError, FeatureNotFoundError)
    assert issubclass(FeatureNotFoundError, LookupError)
    assert issubclass(EntrypointError, ImportError)
    assert not issubclass(StoreError, ValueError)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_pickles_with_its_facts(error: MetaxyError) -> None:
    """An error comes out of a worker process as it went in."""
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 — our own bytes

    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert vars(restored) == vars(error)


def test_faults_are_counted_and_listed() -> None:
    """Several faults come as a list with their number, a nested list one step further in."""
    inner = DefinitionError("A field", ["x", "y"])

    assert str(DefinitionError("A spec", "b")) == "A spec: b"
    assert str(DefinitionError("A spec", ["b", str(inner)])) == (
        "A spec, 2 faults:\n  - b\n  - A field, 2 faults:\n      - x\n      - y"
    )


def test_faults_of_a_graph_are_sorted() -> None:
    """The order in which faults are found does not show."""
    error = GraphError(["z", "a"])

    assert error.faults == ("a", "z")
    assert str(error) == "The feature graph cannot be built, 2 faults:\n  - a\n  - z"


def test_missing_columns_are_counted_with_the_likely_slips() -> None:
    """The message has what was needed, what is there, and the nearest names."""
    error = MissingColumnsError(
        "video/faces",
        "video/frames",
        missing=["fps", "codek"],
        available=["height", "codec", "frame_id", "width"],
    )

    assert str(error) == (
        "'video/faces' needs 2 columns that 'video/frames' does not have: 'codek', 'fps'.\n"
        "It has: 'codec', 'frame_id', 'height', 'width'. Did you mean 'codec' for 'codek'?"
    )
    assert error.missing == ("codek", "fps")
