"""The nodes: how the rows of the tables are computed, and nothing of what the tables are."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
from pydantic import Field

from metaxy.meta_tables import DataNode, DataNodeConfiguration
from tables import Measurements, WeeklyMeans

FOLDER = Path(__file__).parent
QUANTITIES = ("precipitation", "temp_max", "temp_min", "wind")


class MeasurementsConfig(DataNodeConfiguration):
    """What is read from the source."""

    quantities: tuple[str, ...] = Field(default=QUANTITIES, description="Columns of weather.csv.")
    first_day: date = Field(
        description="Read from this day on.", json_schema_extra={"hash_excluded": True}
    )
    with_corrections: bool = Field(
        default=False,
        description="Whether corrections.csv has come in.",
        json_schema_extra={"hash_excluded": True},
    )


class MeasurementsNode(DataNode):
    """Reads the source, as a program would read a service."""

    config: MeasurementsConfig

    def __init__(self, config: MeasurementsConfig) -> None:
        super().__init__(config, Measurements)

    def update(self) -> pl.DataFrame:
        """Give all that the source has from the first day on; the lake skips what it has."""
        wide = pl.read_csv(FOLDER / "weather.csv", try_parse_dates=True)
        rows = wide.unpivot(self.config.quantities, index="day", variable_name="quantity")
        if self.config.with_corrections:
            corrections = pl.read_csv(FOLDER / "corrections.csv", try_parse_dates=True)
            rows = rows.update(corrections, on=["day", "quantity"])
        return rows.filter(pl.col("day") >= self.config.first_day).select(
            pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("time_index"),
            "quantity",
            "value",
        )


class WeeklyMeansConfig(DataNodeConfiguration):
    """How means are made, and what they are made of."""

    source: MeasurementsConfig = Field(
        description="Of the measurements.", json_schema_extra={"hash_excluded": True}
    )
    days: int = Field(default=7, description="How many days, the day itself among them.")


class WeeklyMeansNode(DataNode):
    """Means of what is in the table of measurements."""

    config: WeeklyMeansConfig

    def __init__(self, config: WeeklyMeansConfig) -> None:
        super().__init__(config, WeeklyMeans)

    def dependencies(self) -> Mapping[str, DataNode]:
        """Run the node of the measurements first."""
        return {"measurements": MeasurementsNode(self.config.source)}

    def update(self) -> pl.DataFrame:
        """Give the means of all days; those that are as they were are skipped."""
        rows = self.read(Measurements).collect().to_polars().sort("quantity", "time_index")
        days = f"{self.config.days}d"
        return (
            rows.rolling("time_index", period=days, group_by="quantity")
            .agg(mean=pl.col("value").mean().round(3), days=pl.len().cast(pl.Int64))
            .select("time_index", "quantity", "mean", "days")
        )
