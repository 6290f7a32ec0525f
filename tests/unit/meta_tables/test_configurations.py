"""What counts for the hash of a node, and what a configuration may not have."""

import subprocess
import sys
import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, ValidationError, create_model

from metaxy.meta_tables import DataNode, DataNodeConfiguration
from metaxy.meta_tables.configuration import storage_classes_in, update_hash
from metric_tables import DailyMetricsConfig, DailyMetricsNode, storage


class Inner(BaseModel):
    """Nested parameters."""

    at: datetime = Field(default=datetime(2026, 1, 1, tzinfo=UTC))
    retries: int = Field(default=3, json_schema_extra={"hash_excluded": True})


class Config(DataNodeConfiguration):
    """Parameters of every kind."""

    at: Any = Field(default=None, description="Anything.")
    inner: Inner = Field(default=Inner(), description="One.")
    inners: list[Inner] = Field(default_factory=list[Inner], description="Several.")
    limit: int = Field(
        default=1, description="How many at once.", json_schema_extra={"hash_excluded": True}
    )


class Open(BaseModel, extra="allow"):
    """Nested parameters, and whatever else."""


class Slip(BaseModel):
    """Nested parameters, with a slip."""

    x: int = Field(default=1, json_schema_extra={"hash_excluded": "yes"})


class Colour(Enum):
    """A choice."""

    RED = 1
    GREEN = 2


def _hash(config: DataNodeConfiguration, **options: Any) -> str:
    given = {"project": "example_project", "namespace": ""} | options
    return update_hash(DailyMetricsNode, config, **given)


def test_the_hash_is_pinned() -> None:
    """It names runs in histories and events."""
    assert _hash(DailyMetricsConfig()) == "DailyMetricsNode_a793d37a0e27c1d00cb3f8bf6ef010f4"


def test_every_field_counts() -> None:
    """So do the project, the class of the node and a namespace."""
    plain = _hash(DailyMetricsConfig())
    others = [
        _hash(DailyMetricsConfig(source_scope="some")),
        _hash(DailyMetricsConfig(), project="other"),
        _hash(DailyMetricsConfig(), namespace="trial"),
        update_hash(
            type("Other", (DailyMetricsNode,), {}),
            DailyMetricsConfig(),
            project="example_project",
            namespace="",
        ),
    ]

    assert len({plain, *others}) == 5
    assert plain == _hash(DailyMetricsConfig(source_scope="all"))


def test_excluded_fields_do_not_count_at_any_depth() -> None:
    """Neither the name nor the value, also inside lists."""
    one = Config(limit=1, inner=Inner(retries=1), inners=[Inner(retries=1)])
    two = Config(limit=2, inner=Inner(retries=2), inners=[Inner(retries=2)])
    other = Config(inners=[Inner(at=datetime(2027, 1, 1, tzinfo=UTC))])

    assert _hash(one) == _hash(two) != _hash(other)


def test_what_a_nested_model_holds_besides_its_fields_counts() -> None:
    """Storage classes among it are found, too."""
    table = storage()
    one, again, two, holder = (Open.model_validate({"x": x}) for x in (1, 1, 2, table))

    assert _hash(Config(at=one)) != _hash(Config(at=two)) != _hash(Config(at=Open()))
    assert _hash(Config(at=[one])) == _hash(Config(at=[again]))
    assert storage_classes_in(Config(at=holder)) == [table]


def test_an_exclusion_of_a_nested_field_is_a_truth_value() -> None:
    """A text would be taken for no, without a word."""
    with pytest.raises(ValueError, match=r"Slip\.x has hash_excluded='yes'; it is True or False"):
        _hash(Config(at=[Slip()]))


def test_one_instant_is_one_value_in_whatever_zone() -> None:
    """Aware times count as their instant; naive ones as they stand."""
    berlin = timezone(timedelta(hours=2))
    utc, local = datetime(2026, 7, 1, 10, tzinfo=UTC), datetime(2026, 7, 1, 12, tzinfo=berlin)

    assert _hash(Config(at=utc)) == _hash(Config(at=local))
    assert _hash(Config(at=[utc])) == _hash(Config(at=[local]))
    assert _hash(Config(at=utc)) != _hash(Config(at=utc.replace(tzinfo=None)))


def test_values_of_different_kinds_are_different() -> None:
    """Sets and mappings have no order, lists have one."""
    values: list[Any] = [
        *(None, True, 1, 1.0, "1", b"1", Decimal(1), [1], [[1]], {1}, {1: 1}, {"1": 1}),
        *(date(2026, 1, 1), datetime(2026, 1, 1), "2026-01-01", timedelta(1)),  # noqa: DTZ001 -- naive on purpose
        *(UUID(int=1), str(UUID(int=1)), PurePosixPath("a"), "a", Colour.RED, Colour.GREEN, int),
    ]
    hashes = [_hash(Config(at=value)) for value in values]

    assert len(set(hashes)) == len(values)
    assert _hash(Config(at={"b", "a", "c"})) == _hash(Config(at={"c", "b", "a"}))
    assert _hash(Config(at={"a": 1, "b": 2})) == _hash(Config(at={"b": 2, "a": 1}))
    assert _hash(Config(at=[1, 2])) != _hash(Config(at=[2, 1]))
    assert _hash(Config(at=Decimal("1.0"))) == _hash(Config(at=Decimal("1.00")))


def test_what_has_no_lasting_hash_is_refused_by_its_place() -> None:
    """An object would hash by its address."""
    with pytest.raises(TypeError, match=r"configuration\.at\[0\] is a object"):
        _hash(Config(at=[object()]))


def test_hashes_are_equal_across_processes() -> None:
    """Whatever the seed of Python's own hashes."""
    program = (
        "from metric_tables import *; from metaxy.meta_tables.configuration import update_hash\n"
        "print(update_hash(DailyMetricsNode, DailyMetricsConfig(source_scope='x'),"
        " project='p', namespace='n'))"
    )
    ended = [
        subprocess.run(  # noqa: S603 -- our own program
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "tests"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    here = update_hash(
        DailyMetricsNode, DailyMetricsConfig(source_scope="x"), project="p", namespace="n"
    )

    assert ended == [here, here]


def test_a_storage_class_counts_as_its_uid_at_any_depth() -> None:
    """Not as where it stands."""
    one, two = (storage(f"example_project__{name}", name=name) for name in "ab")
    nested = Config(at={"x": [one]})

    assert storage_classes_in(nested) == [one]
    assert _hash(nested) != _hash(Config(at={"x": [two]}))
    again = storage("example_project__a", name="a", metatable_description="Other.")
    assert _hash(Config(at={"x": [again]})) == _hash(nested)


@pytest.mark.parametrize("extra", ["update_only", "runtime_only", "ignore_from_storage_hash"])
def test_other_extras_of_hashes_are_refused(extra: str) -> None:
    """There is one way to leave a field out."""
    field = Field(default=1, description="x", json_schema_extra={extra: True})
    with pytest.raises(TypeError, match=f"has '{extra}' in json_schema_extra"):
        create_model("Bad", __base__=DataNodeConfiguration, x=(int, field))


@pytest.mark.parametrize(
    "name",
    [
        *("storage_table", "storage_hash", "data_source_uid", "meta_table_uid"),
        *("table_metadata", "column_metadata", "index_names", "time_index_name"),
    ],
)
def test_fields_that_would_say_what_the_table_is_are_refused(name: str) -> None:
    """That is the storage class's to say."""
    field = Field(default="", description="x")
    with pytest.raises(TypeError, match=f"Bad.{name}: what the table is"):
        create_model("Bad", __base__=DataNodeConfiguration, **{name: (str, field)})  # pyright: ignore[reportCallIssue, reportArgumentType] -- as pydantic takes them


def test_an_exclusion_that_is_no_truth_value_is_refused() -> None:
    """A text would be taken for yes."""
    field = Field(default=1, description="x", json_schema_extra={"hash_excluded": "yes"})
    with pytest.raises(ValueError, match=r"hash_excluded='yes'; it is True or False"):
        create_model("Bad", __base__=DataNodeConfiguration, x=(int, field))


def test_other_uids_are_fine_and_unknown_arguments_are_not() -> None:
    """A configuration is strict about its arguments, and frozen."""

    class Account(DataNodeConfiguration):
        account_uid: UUID = Field(description="Whose.")

    account = Account(account_uid=UUID(int=1))
    with pytest.raises(ValidationError):
        Account(account_uid=UUID(int=1), other=1)  # pyright: ignore[reportCallIssue] -- on purpose
    with pytest.raises(ValidationError):
        account.account_uid = UUID(int=2)


def test_a_field_without_description_warns_where_the_class_stands() -> None:
    """Once, in the class that declares it."""
    with pytest.warns(UserWarning, match=r"Terse\.x has no description") as warned:

        class Terse(DataNodeConfiguration):
            x: int = 1

    assert [each.filename for each in warned] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Derived(Terse):
            y: int = Field(default=1, description="Told.")

    assert Derived().x == 1


def test_a_node_that_describes_columns_is_refused() -> None:
    """Texts are the storage class's."""
    for name in ("get_table_metadata", "get_column_metadata"):
        with pytest.raises(TypeError, match=f"Bad defines {name}"):
            type("Bad", (DataNode,), {name: None})


def test_a_node_whose_init_does_not_set_it_up_is_refused() -> None:
    """It would have no table."""

    class Bare(DataNode):
        def __init__(self) -> None:
            """Forget the base."""

        def update(self) -> Any:
            """Never called."""

    with pytest.raises(TypeError, match=r"Bare\.__init__ doesn't call super\(\)\.__init__"):
        Bare()
