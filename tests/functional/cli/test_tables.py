"""`metaxy migrations upgrade` and `metaxy tables`, run on a small project."""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType

from cli_project import Cli, writable

TABLES = """\
from datetime import datetime
from sqlalchemy import DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from metaxy.meta_tables import MetaTableMigration, PlatformTimeIndexMetaTable

class Base(DeclarativeBase):
    pass

class Prices(PlatformTimeIndexMetaTable, Base):
    __tablename__ = "demo__prices"
    __metatable_namespace__ = "demo"
    __metatable_description__ = "Prices, one row a day and asset."
    __metatable_labels__ = ["daily"]
    __index_names__ = ("time_index", "asset")
    time_index: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    asset: Mapped[str]
    price: Mapped[float] = mapped_column(info={"label": "Price", "description": "In dollars."})

class Unlisted(PlatformTimeIndexMetaTable, Base):
    __tablename__ = "demo__unlisted"
    __metatable_namespace__ = "demo"
    time_index: Mapped[datetime] = mapped_column(DateTime(timezone=True))

provider = MetaTableMigration([Prices])
other = 1
"""


@pytest.fixture
def tables(project: Path) -> Path:
    """The project with storage classes among its feature modules."""
    settings = (project / "metaxy.toml").read_text()
    (project / "metaxy.toml").write_text(
        settings.replace('["demo_features"]', '["demo_features", "demo_tables"]')
    )
    (project / "demo_tables.py").write_text(TABLES)
    return project


UPGRADE = ("migrations", "upgrade", "--provider", "demo_tables:provider")


def test_an_upgrade_lists_the_tables_and_what_was_done(metaxy: Cli, tables: Path) -> None:
    """With `head` or without; the second time there is nothing to do."""
    first = metaxy(*UPGRADE, "head")
    second = metaxy(*UPGRADE)

    assert (first.code, first.err) == (0, "Done.\n")
    assert first.out.splitlines() == [
        "table         identifier   action  changes",
        "demo__prices  demo.prices  create  create with 3 columns, indexed by time_index, asset",
    ]
    assert (second.code, second.err) == (
        0,
        "Nothing to do: the tables are as the classes say.\n",
    )
    assert (tables / "lake" / "demo" / "prices.delta").is_dir()
    assert not (tables / "lake" / "demo" / "unlisted.delta").exists()


def test_a_dry_run_writes_nothing(metaxy: Cli, tables: Path) -> None:
    """It prints the plan that the upgrade then carries out."""
    dry = metaxy(*UPGRADE, "--dry-run", "--json")
    assert not (tables / "lake").exists()
    real = metaxy(*UPGRADE, "--json")

    assert (dry.code, dry.data["dry_run"], real.data["dry_run"]) == (0, True, False)
    assert dry.data["tables"] == real.data["tables"]
    (table,) = real.data["tables"]
    assert {key: table[key] for key in ("table", "action", "revision")} == {
        "table": "demo__prices",
        "action": "create",
        "revision": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*UPGRADE, "abc"), "There is no revision 'abc'"),
        (("migrations", "upgrade"), "Missing option '--provider'"),
        (("migrations", "upgrade", "--provider", "demo_tables"), "write package.module:object"),
        *(
            (("migrations", "upgrade", "--provider", given), "write package.module:object")
            for given in (
                *("", ":provider", "demo_tables:", "demo_tables:a.b", "demo_tables: provider"),
                *("a/demo_tables:provider", "./demo_tables:provider", ".demo_tables:provider"),
                *("a:b:c", "..demo_tables:provider", "demo tables:provider"),
            )
        ),
        (
            ("migrations", "upgrade", "--provider", "demo_tables:Prices"),
            "is the class Prices; a provider is a MetaTableMigration",
        ),
        (
            ("migrations", "upgrade", "--provider", "demo_tables.py:provider"),
            "there is no module 'demo_tables.py'",
        ),
        (("migrations", "upgrade", "--provider", "nowhere:x"), "there is no module 'nowhere'"),
        (("migrations", "upgrade", "--provider", "demo_tables:other"), "is a int; a provider is"),
        (
            ("migrations", "upgrade", "--provider", "demo_tables:provder"),
            "has no 'provder'. Did you mean 'provider'?",
        ),
        (("tables", "describe", "demo__price"), "Did you mean 'demo__prices'?"),
    ],
)
@pytest.mark.usefixtures("tables")
def test_what_is_not_there_is_told(metaxy: Cli, arguments: tuple[str, ...], told: str) -> None:
    """The exit code is 1, and nothing is printed that a program would read."""
    ended = metaxy(*arguments)

    assert (ended.code, ended.out) == (1, "")
    assert told in ended.err


@pytest.mark.usefixtures("tables")
def test_tables_are_listed_with_their_drift(metaxy: Cli) -> None:
    """Storage classes and features, those that aren't registered among them."""
    metaxy(*UPGRADE)
    listed = metaxy("tables", "list")

    assert listed.code == 0
    assert listed.out.splitlines() == [
        "table           kind           in code  revision  version  columns  drift",
        "demo__prices    storage class  yes             1        0        3  -",
        "demo__unlisted  storage class  yes             -        -        1  it isn't registered",
        "video           feature        yes             -        -        1  -",
        "video__crop     feature        yes             -        -        1  -",
        "video__faces    feature        yes             -        -        1  -",
    ]


@pytest.mark.usefixtures("tables")
def test_a_table_is_described_column_by_column(metaxy: Cli) -> None:
    """By its name, its feature or its identifier."""
    metaxy(*UPGRADE)
    described = metaxy("tables", "describe", "demo__prices")
    names = ["demo/prices", "demo.prices"]

    assert all(metaxy("tables", "describe", name).out == described.out for name in names)
    assert described.out.splitlines() == [
        "table: demo__prices",
        "kind: storage class",
        "project: demo",
        "namespace: demo",
        "identifier: demo.prices",
        "uid: 8e8b80e8-9ed6-58c0-8dfb-b45ff6b4b81e",
        "description: Prices, one row a day and asset.",
        "labels: daily",
        "index: time_index, asset",
        "column      type                null  in the lake                                "
        "label  description",
        "time_index  timestamp[us, UTC]  no    Datetime(time_unit='us', time_zone='UTC')  -      -",
        "asset       string              no    String                                     -      -",
        "price       float64             no    Float64                                    Price  "
        "In dollars.",
    ]


def test_a_check_tells_what_has_drifted(metaxy: Cli, tables: Path) -> None:
    """The exit code is 2 as long as something has."""
    metaxy(*UPGRADE)
    assert metaxy("tables", "check", "demo__prices", "video").code == 0
    assert metaxy("tables", "check").out == "demo__unlisted: it isn't registered\n"
    grown = TABLES.replace(
        "    asset: Mapped[str]\n", "    asset: Mapped[str]\n    volume: Mapped[int | None]\n"
    )
    (tables / "demo_tables.py").write_text(grown)
    drifted = metaxy("tables", "check", "demo__prices")
    as_json = metaxy("tables", "check", "demo__prices", "--json")

    assert drifted.code == as_json.code == 2
    assert drifted.out.splitlines() == [
        "demo__prices: since it was registered: the column 'volume' (int64, nullable) is new",
        "demo__prices: the table has no column 'volume' (int64)",
    ]
    (table,) = as_json.data["tables"]
    assert len(table["drift"]) == 2
    metaxy(*UPGRADE)
    assert metaxy("tables", "check", "demo__prices").code == 0


def test_what_the_lake_has_besides_is_drift(metaxy: Cli, tables: Path) -> None:
    """A column that is gone from the code, a table that is, and a feature's other type."""
    metaxy(*UPGRADE)
    fewer = TABLES.replace("    price: Mapped[float] = ", "    cost: Mapped[float] = ")
    (tables / "demo_tables.py").write_text(fewer)
    assert metaxy("tables", "check", "demo__prices").out.splitlines() == [
        "demo__prices: since it was registered: the column 'price' is gone",
        "demo__prices: since it was registered: the column 'cost' (float64) is new",
        "demo__prices: the table has no column 'cost' (float64)",
        "demo__prices: the table has the column 'price' (Float64), which the contract doesn't have",
    ]
    (tables / "demo_tables.py").write_text("")
    with writable(tables) as store:
        store.write_metadata(
            "video",
            pl.DataFrame(
                {"id": ["a"], "metaxy_provenance_by_field": [{"audio": "1", "frames": "1"}]}
            ),
        )
    features = (tables / "demo_features.py").read_text()
    (tables / "demo_features.py").write_text(features.replace("id: str", "id: int", 1))
    listed = metaxy("tables", "list", "--json").data["tables"]

    assert [(each["table"], each["in_code"]) for each in listed][:2] == [
        ("demo__prices", False),
        ("video", True),
    ]
    assert listed[0]["drift"] == []
    assert listed[1]["drift"] == [
        "the column 'id' is String in the table, and Int64 in the contract"
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"Prices, one row', '"Closing prices, one row', "the description is another"),
        ('["daily"]', '["weekly"]', "the labels are others"),
        ('"In dollars."', '"In euros."', "the description of the column 'price' is another"),
        ('"label": "Price"', '"label": "Cost"', "the label of the column 'price' is another"),
        (
            '__metatable_labels__ = ["daily"]',
            '__metatable_labels__ = ["daily"]\n    __metatable_identifier__ = "prices"',
            "the identifier is another",
        ),
        (
            '__metatable_labels__ = ["daily"]',
            '__metatable_labels__ = ["daily"]\n    __metatable_provisioning__ = {"by": "us"}',
            "the provisioning is another",
        ),
        ('space__ = "demo"', 'space__ = "shop"', "the namespace is another"),
    ],
)
def test_whatever_an_upgrade_would_record_is_drift(
    metaxy: Cli, tables: Path, old: str, new: str, told: str
) -> None:
    """Words, too; after the upgrade there is none."""
    metaxy(*UPGRADE)
    (tables / "demo_tables.py").write_text(TABLES.replace(old, new, 1))

    checked = metaxy("tables", "check", "demo__prices")
    assert (checked.code, checked.out) == (2, f"demo__prices: since it was registered: {told}\n")
    assert metaxy(*UPGRADE).err == "Done.\n"
    assert metaxy("tables", "check", "demo__prices").code == 0


def test_what_somebody_else_did_to_a_table_is_drift(metaxy: Cli, tables: Path) -> None:
    """A table that was removed is made again; a column that was added stays."""
    metaxy(*UPGRADE)
    folder = tables / "lake" / "demo" / "prices.delta"
    shutil.rmtree(folder)
    assert metaxy("tables", "check", "demo__prices").out == (
        "demo__prices: it is registered, and there is no table\n"
    )
    assert [each["action"] for each in metaxy(*UPGRADE, "--json").data["tables"]] == ["create"]
    assert metaxy("tables", "check", "demo__prices").code == 0

    DeltaTable(folder).alter.add_columns([Field("more", PrimitiveType("string"))])
    told = (
        "demo__prices: the table has the column 'more' (String), which the contract doesn't have\n"
    )
    assert metaxy("tables", "check", "demo__prices").out == told
    assert metaxy(*UPGRADE).code == 0
    assert metaxy("tables", "check", "demo__prices").out == told


def test_words_that_somebody_else_gave_a_table_are_drift(metaxy: Cli, tables: Path) -> None:
    """The next upgrade sets them right."""
    metaxy(*UPGRADE)
    table = DeltaTable(tables / "lake" / "demo" / "prices.delta")
    table.alter.set_table_description("Mine.")

    assert metaxy("tables", "check", "demo__prices").out == (
        "demo__prices: the table has other descriptions or labels than it was registered with\n"
    )
    assert metaxy(*UPGRADE).err == "Done.\n"
    assert metaxy("tables", "check", "demo__prices").code == 0


@pytest.mark.usefixtures("tables")
def test_a_provider_need_not_be_a_feature_module(metaxy: Cli, tables: Path) -> None:
    """Without entrypoints it is looked for in the project's folder all the same."""
    settings = (tables / "metaxy.toml").read_text()
    (tables / "metaxy.toml").write_text(settings.replace('["demo_features", "demo_tables"]', "[]"))

    assert metaxy(*UPGRADE).code == 0


@pytest.mark.usefixtures("project")
def test_without_sqlalchemy_only_storage_classes_are_missing(folder: Path) -> None:
    """`metaxy tables` works, and an upgrade says what to install."""
    program = (
        "import sys; sys.modules['sqlalchemy'] = None; from metaxy.cli.app import run; "
        "sys.exit(run(sys.argv[1:]))"
    )

    def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(  # noqa: S603 -- our own program
            command, cwd=folder, check=False, capture_output=True, text=True
        )

    assert ended("tables", "list").returncode == 0
    upgrade = ended(*UPGRADE)
    assert upgrade.returncode == 1
    assert upgrade.stderr == (
        "Error: Storage classes need SQLAlchemy: pip install 'metaxy-lake[sqlalchemy]'.\n"
    )
