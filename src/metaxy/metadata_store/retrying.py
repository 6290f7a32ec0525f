"""How often, and for how long, something that others got in the way of is tried again."""

import random
import time
from collections.abc import Iterator


def attempts(*, seconds: float) -> Iterator[None]:
    """One item an attempt, until the time is up, with ever longer random pauses between them."""
    deadline = time.monotonic() + seconds
    longest = 0.02
    while True:
        yield
        if time.monotonic() > deadline:
            return
        time.sleep(random.uniform(0, longest))  # noqa: S311 -- spreads writers, protects nothing
        longest = min(longest * 2, 1.0)
