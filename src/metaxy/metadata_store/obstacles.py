"""What keeps a folder of this machine from being written to or read, in words for people.

The libraries underneath tell it in their own, or not at all: a table in a folder that may not be
looked into is none to them.
"""

import os
from pathlib import Path

from metaxy.errors import StoreError


def writing_obstacle(path: str) -> str | None:
    """Say what keeps files from being written below a path, and the way out; None: nothing seen.

    Args:
        path: Of a folder that may still have to be made.
    """
    place = Path(path)
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"'{place}' is no folder. Move it away, or give another root_path."
    if not os.access(place, os.W_OK | os.X_OK):
        return (
            f"no permission to write in '{place}'. Have it given to the user that this runs as, or "
            "give another root_path."
        )
    return None


def refuse_hidden(path: str) -> None:
    """Refuse to take a place that may not be looked at for one where nothing is.

    Raises:
        PermissionError: A folder above it may not be looked into.
    """
    try:
        os.stat(path)  # noqa: PTH116 -- text in
    except PermissionError:
        raise
    except OSError:
        return


def refuse_unlisted(error: OSError) -> None:
    """Refuse to leave out what is in a folder that can't be listed; for `os.walk`.

    Raises:
        StoreError: The folder is there and can't be listed.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return
    raise StoreError(
        f"Which features are in the lake can't be told: the folder '{error.filename}' can't be "
        f"listed ({error.strerror})."
    ) from error
