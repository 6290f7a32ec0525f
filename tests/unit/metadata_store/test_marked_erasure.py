"""Which rows stay when all records with a marked row go."""

import polars as pl

from definitions import feature, graph_of
from metaxy.graph.plan import FeaturePlan
from metaxy.metadata_store.deleting import marked_erasure
from metaxy.metadata_store.marks import Marks
from metaxy.versioning.system_columns import FEATURE_VERSION

PLAN = graph_of(feature("video", ids=("id", "name"))).plan("video")
OLDER = graph_of(feature("video", ids=("id", "part"))).plan("video")
ROWS = pl.LazyFrame(
    {
        "id": ["a", "a", "b", "a", "b"],
        "name": [None, None, None, "c", "c"],
        "part": [1, 2, 1, None, None],
        FEATURE_VERSION: ["old", "old", "old", "new", "new"],
    }
)


def test_rows_of_older_versions_go_by_their_own_ids_or_each_by_itself() -> None:
    """That they lack what names records today doesn't make them one record."""
    of_part = Marks((pl.DataFrame({"id": ["a"], "part": [1]}),))
    of_name = Marks((pl.DataFrame({"id": ["b"], "name": ["c"]}),))
    of_id = Marks((pl.DataFrame({"id": ["b"]}),))
    today: dict[str | None, FeaturePlan] = {None: PLAN}
    for plans in (today, {**today, "old": OLDER}):
        left = {}
        for name, marks in (("part", of_part), ("name", of_name), ("id", of_id)):
            gone = marked_erasure(ROWS, plans, marks)
            assert gone is not None
            rows = gone.remaining.select("id", "name", "part").collect().rows()
            left[name] = (gone.records, sorted(rows, key=str))

        old = [("a", None, 1), ("a", None, 2), ("b", None, 1)]
        new = [("a", "c", None), ("b", "c", None)]
        assert left == {
            "part": (1, sorted([*old[1:], *new], key=str)),
            "name": (1, sorted([*old, new[0]], key=str)),
            "id": (2, sorted([*old[:2], new[0]], key=str)),
        }
