"""How a rollback finds the migration that is meant."""

import pytest

from metaxy.errors import MigrationError
from metaxy.migrations.states import MigrationState
from metaxy.migrations.undoing import _found

STATES = {
    name: MigrationState(migration_id=name) for name in ("20260101_a", "20260102_b", "20260102_bc")
}


@pytest.mark.parametrize(
    ("given", "meant"),
    [("20260101", "20260101_a"), ("20260102_b", "20260102_b"), ("20260102_bc", "20260102_bc")],
)
def test_the_beginning_of_an_id_names_a_migration(given: str, meant: str) -> None:
    """If one begins so; a whole id comes before the beginnings of others."""
    assert _found(STATES, given).migration_id == meant


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            "20260102",
            "Several migrations begin with '20260102': '20260102_b', '20260102_bc'. Give more of "
            "the id.",
        ),
        ("20260103_a", "Did you mean '20260101_a'?"),
    ],
)
def test_an_id_that_names_none_or_several_is_told(given: str, told: str) -> None:
    """With those that there are."""
    with pytest.raises(MigrationError) as raised:
        _found(STATES, given)

    assert told in str(raised.value)
