"""A feature that is made from the table of measurements, record by record."""

from datetime import datetime

from metaxy import BaseFeature, FeatureDep, FeatureSpec
from tables import Measurements


class Extremes(
    BaseFeature,
    spec=FeatureSpec(
        "weather/extremes",
        id_columns=["time_index", "quantity"],
        deps=[FeatureDep(Measurements)],
        description="Whether a measurement is out of the ordinary.",
    ),
):
    """Its column is computed from the value of the very same measurement."""

    time_index: datetime
    quantity: str
    is_extreme: bool
