"""Names of tables, and of the features that they are."""

import hashlib
import re
from typing import Final

from metaxy.errors import DefinitionError, InvalidKeyError
from metaxy.models.keys import FeatureKey

FIELD: Final = "default"
"""The one field of the feature: columns may come without making older rows another version's."""
MAX_LENGTH: Final = 63
"""What PostgreSQL takes for a name; other engines take more."""
_JOINT: Final = "__"
_DIGEST_DIGITS: Final = 10
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def schema_table_name(app: str, concept: str, suffix: str | None = None) -> str:
    """Give the name of a table: `app__concept`, or `app__concept__suffix`.

    Each part is lower-cased, and what is neither a letter of ASCII nor a digit becomes `_`. A name
    of more than 63 characters is shortened, with a digest of the whole in place of what is cut off;
    the part of the app stays whole.

    Raises:
        ValueError: A part is empty, or has no letter or digit; or the app leaves no room.
    """
    given = {"app": app, "concept": concept} | ({} if suffix is None else {"suffix": suffix})
    parts = [_part(argument, text) for argument, text in given.items()]
    name = _JOINT.join(parts)
    return name if len(name) <= MAX_LENGTH else _shortened(parts[0], name)


def table_key(table_name: str) -> FeatureKey:
    """The feature key that a table name is: its parts between `__`.

    Raises:
        DefinitionError: The name isn't that of a key.
    """
    way_out = (
        'use schema_table_name("app", "concept"), which gives names such as app__concept, or write '
        "letters, digits and single '_' with '__' between the parts"
    )
    try:
        key = FeatureKey(table_name.split(_JOINT))
    except InvalidKeyError as error:
        raise DefinitionError(
            f"{table_name!r} can't be the name of a table", [*error.faults, way_out]
        ) from None
    if key.table_name != table_name:
        raise DefinitionError(
            f"{table_name!r} can't be the name of a table",
            f"as a key it is '{key}', whose table is named '{key.table_name}': {way_out}",
        )
    return key


def _part(argument: str, text: str) -> str:
    part = _OTHER.sub("_", text.lower()).strip("_")
    if not part:
        raise ValueError(
            f"schema_table_name got {argument}={text!r}, which has no letter of ASCII and no digit "
            "to make a name of"
        )
    return part


def _shortened(app: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_DIGITS]
    room = MAX_LENGTH - _DIGEST_DIGITS - 1
    if len(app) + len(_JOINT) >= room:
        raise ValueError(
            f"schema_table_name keeps the app whole, and {app!r} has {len(app)} characters: a name "
            f"has at most {MAX_LENGTH}. Take a shorter app."
        )
    # Cut inside the last parts: `__` would begin another part, and `_` is put before the digest.
    return f"{name[:room].rstrip('_')}_{digest}"
