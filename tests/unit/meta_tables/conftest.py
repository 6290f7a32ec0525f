"""What a test declares is forgotten after it."""

from collections.abc import Iterator

import pytest

from metaxy import FeatureRegistry


@pytest.fixture(autouse=True)
def registry() -> Iterator[FeatureRegistry]:
    """A registry of its own for each test."""
    with FeatureRegistry().use() as own:
        yield own
