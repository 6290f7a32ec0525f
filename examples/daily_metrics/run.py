"""Half a year, the backfill of the other half, and a late correction; run it after the upgrade."""

from collections.abc import Callable
from datetime import date

import polars as pl

from features import Extremes
from metaxy import MetadataStore, init_metaxy
from nodes import MeasurementsConfig, WeeklyMeansConfig, WeeklyMeansNode
from tables import Measurements, WeeklyMeans

LIMITS = {"precipitation": 30.0, "temp_max": 33.0, "temp_min": 18.0, "wind": 8.0}


def main() -> None:
    """Run the nodes as they would be run on four days, and the feature behind them each time."""
    half, whole = date(2015, 7, 1), date(2015, 1, 1)
    store = init_metaxy(search_parents=False).get_store()
    with store.open("write"):
        for title, config in (
            ("from July on", MeasurementsConfig(first_day=half)),
            ("the same again", MeasurementsConfig(first_day=half)),
            ("a backfill from January on", MeasurementsConfig(first_day=whole)),
            ("a correction", MeasurementsConfig(first_day=whole, with_corrections=True)),
        ):
            written = counting(store, lambda config=config: update_tables(config))
            print(f"{title:<28}{written}  extremes {computed_extremes(store):>6,}")


def update_tables(config: MeasurementsConfig) -> None:
    """Run the node of the means, and before it the one that it depends on."""
    WeeklyMeansNode(WeeklyMeansConfig(source=config)).run()


def counting(store: MetadataStore, run: Callable[[], None]) -> str:
    """Run something, and tell how many rows it has added to which table."""
    tables = {"measurements": Measurements, "means": WeeklyMeans}
    before = {name: written_rows(store, table) for name, table in tables.items()}
    run()
    return "  ".join(
        f"{name} {written_rows(store, table) - before[name]:>6,}" for name, table in tables.items()
    )


def written_rows(store: MetadataStore, table: type) -> int:
    """How many rows were ever written to a table, by its history."""
    return int(store.history(table)["rows"].fill_null(0).sum())


def computed_extremes(store: MetadataStore) -> int:
    """Compute what is new or changed of the feature, and give how many records that were."""
    increment = store.resolve_update(Extremes)
    due = pl.concat([increment.added.to_polars(), increment.changed.to_polars()])
    limit = pl.col("quantity").replace_strict(LIMITS, return_dtype=pl.Float64)
    store.write_metadata(Extremes, due.with_columns(is_extreme=pl.col("value") > limit))
    return due.height


if __name__ == "__main__":
    main()
