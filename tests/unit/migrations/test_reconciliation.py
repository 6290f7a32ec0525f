"""Which stored rows a migration carries."""

import pytest

from lake_rows import record, stored
from metaxy.graph.plan import RecordsPlan
from metaxy.migrations.reconciliation import current_rows
from metaxy.models.keys import FeatureKey


@pytest.mark.parametrize("parents", [None, ("id",)])
def test_rows_without_a_name_are_no_records(parents: tuple[str, ...] | None) -> None:
    """Another program may have written them; they must not keep the others from being carried."""
    rows = stored(
        record(id="a", part="1", version="v"),
        record(id=None, part="2", version="v"),
        record(id="b", part="3", version="v"),
    )
    plan = RecordsPlan(FeatureKey("clip"), "1", ("id", "part"), parents)
    assert rows.frame is not None
    found = current_rows(rows.frame, plan, instants=None).collect()

    assert sorted(found.select("id", "part").rows()) == [("a", "1"), ("b", "3")]
