"""What storage raises while rows and files are read, told as an error of metaxy's.

Polars raises an `OSError` where a file can't be reached, and a `PolarsError` where its content or a
condition on it is wrong; only the first is storage's. What fsspec has no name for it raises as the
object store's own client did.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from metaxy.errors import StoreError
from metaxy.metadata_store.secrecy import Secrets

_CLIENTS: Final = frozenset({"aiobotocore", "aiohttp", "botocore"})


def is_of_storage(error: BaseException) -> bool:
    """Whether a file or a server was at fault, rather than what was asked of it."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _CLIENTS


@contextmanager
def told_as(
    text: str,
    *,
    kind: type[StoreError] = StoreError,
    secrets: Secrets | None = None,
    store: str | None = None,
    feature: str | None = None,
) -> Generator[None]:
    """Tell what storage raises in the block as a `StoreError`; everything else goes on.

    Args:
        text: What failed and what that has left, to stand before what storage says.
        kind: The class of the error.
        secrets: What isn't to be shown.
    """
    secrets = secrets or Secrets(None)
    try:
        yield
    except Exception as error:
        if not is_of_storage(error):
            raise
        told = kind(f"{text}: {secrets.told(error)}", store=store, feature=feature)
        raise told from secrets.shown(error)
