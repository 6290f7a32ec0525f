"""Storage classes: SQLAlchemy declarative classes that own the contract of a table.

    class Base(DeclarativeBase): ...

    class Prices(PlatformTimeIndexMetaTable, Base):
        __tablename__ = schema_table_name("markets", "prices")
        __metatable_namespace__ = "markets"
        __metatable_description__ = "Closing prices, one row a day and asset."
        __index_names__ = ("time_index", "asset")

        time_index: Mapped[datetime] = mapped_column(DateTime(timezone=True))
        asset: Mapped[str]
        price: Mapped[float] = mapped_column(info={"description": "In US dollars."})

Declaring a class touches no lake. It declares a root feature of the graph, on which features can
depend; `metaxy migrations upgrade` creates the table.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NoReturn

from sqlalchemy.orm import declared_attr

from metaxy.errors import listed
from metaxy.feature.registry import FeatureRegistry
from metaxy.meta_tables.declaring import (
    completed,
    definition_of,
    naming_columns,
    refuse_derived,
    refuse_second,
    table_of,
)
from metaxy.models.definition import FeatureDefinition
from metaxy.models.feature_spec import FeatureSpec

_OF_THE_PAST: Final = frozenset({"description", "labels", "introspect", "data_source_uid"})


class PlatformManagedMetaTable:
    """The mixin of storage classes whose rows have no time; put it before the declarative base.

    Attributes:
        __metatable_namespace__: What the table belongs to.
        __metatable_identifier__: Unique in a lake; by default the parts of the table's name joined
            by dots.
        __metatable_description__: Needed by an upgrade.
        __metatable_labels__: Texts.
        __metatable_provisioning__: Anything that JSON can say; recorded and not read.
        __index_names__: The columns that together name a row; by default those of the primary key.
        spec: The feature that the table is.
    """

    __metatable_namespace__: ClassVar[str]
    __metatable_identifier__: ClassVar[str | None] = None
    __metatable_description__: ClassVar[str | None] = None
    __metatable_labels__: ClassVar[Sequence[str]] = ()
    __metatable_provisioning__: ClassVar[Mapping[str, Any]] = {}
    __index_names__: ClassVar[Sequence[str]] = ()

    spec: ClassVar[FeatureSpec]

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 -- those of the base
        refuse_derived(cls)
        refuse_second(cls)
        super().__init_subclass__(**options)
        if "__table__" in vars(cls):
            cls.spec = completed(cls).spec

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 -- called with the class
        """Let rows be told apart by the index where the class has no primary key."""
        if table_of(cls).primary_key.columns:
            return {}
        return {"primary_key": naming_columns(cls)}

    @classmethod
    def definition(cls) -> FeatureDefinition:
        """Give the table as a value, without the class; its `contract` is that of the table."""
        registry = FeatureRegistry.active()
        return definition_of(cls, default_project=registry.default_project)

    @classmethod
    def register(cls, **options: object) -> NoReturn:
        """Refuse: tables are registered by upgrades.

        Raises:
            TypeError: Options are given; what they said is said by attributes of the class.
            ValueError: None are.
        """
        if options:
            raise TypeError(
                f"{cls.__name__}.register() takes no {listed(sorted(options))}: "
                + (
                    "the class itself says what the table is (__metatable_description__, "
                    "__metatable_labels__, its columns)"
                    if _OF_THE_PAST.issuperset(options)
                    else "there are no options"
                )
            )
        raise ValueError(
            f"{cls.__name__} isn't registered by a call: list it in a MetaTableMigration, and run "
            "metaxy migrations upgrade --provider package.module:object"
        )


class PlatformTimeIndexMetaTable(PlatformManagedMetaTable):
    """The mixin of storage classes whose rows have a time; put it before the declarative base.

    Attributes:
        __time_index_name__: The column that has the time. It is the first of `__index_names__`,
            which by default have it alone.
    """

    __time_index_name__: ClassVar[str] = "time_index"


StorageClass = type[PlatformManagedMetaTable]


def is_storage_class(value: object) -> bool:
    """Whether a value is a storage class with a table, and no mixin or abstract base."""
    return (
        isinstance(value, type)
        and issubclass(value, PlatformManagedMetaTable)
        and "__table__" in vars(value)
    )
