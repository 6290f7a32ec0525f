"""The tables: what they are called, which columns they have, and what names a row."""

from datetime import datetime

from sqlalchemy import DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from metaxy.meta_tables import MetaTableMigration, PlatformTimeIndexMetaTable, schema_table_name


class Base(DeclarativeBase):
    """What SQLAlchemy wants to have in common."""


class Measurements(PlatformTimeIndexMetaTable, Base):
    """What was measured."""

    __tablename__ = schema_table_name("weather", "measurements")
    __metatable_namespace__ = "weather"
    __metatable_description__ = "Daily weather of Seattle, one row a day and quantity."
    __metatable_labels__ = ("daily", "measured")
    __index_names__ = ("time_index", "quantity")

    time_index: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), info={"label": "Day", "description": "Its beginning, in UTC."}
    )
    quantity: Mapped[str] = mapped_column(
        info={"description": "precipitation (mm), temp_max and temp_min (°C), or wind (m/s)."}
    )
    value: Mapped[float] = mapped_column(info={"label": "Value"})


class WeeklyMeans(PlatformTimeIndexMetaTable, Base):
    """What is made of it."""

    __tablename__ = schema_table_name("weather", "weekly_means")
    __metatable_namespace__ = "weather"
    __metatable_description__ = "Mean of a day and the days before it, one row a day and quantity."
    __metatable_labels__ = ("daily", "derived")
    __index_names__ = ("time_index", "quantity")

    time_index: Mapped[datetime] = mapped_column(DateTime(timezone=True), info={"label": "Day"})
    quantity: Mapped[str]
    mean: Mapped[float] = mapped_column(info={"label": "Mean"})
    days: Mapped[int] = mapped_column(info={"description": "How many days it is the mean of."})


provider = MetaTableMigration([Measurements, WeeklyMeans])
