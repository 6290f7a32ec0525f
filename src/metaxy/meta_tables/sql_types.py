"""From SQLAlchemy's column types to the neutral texts that `metaxy.models.columns` tells."""

from collections.abc import Callable
from typing import Any, Final, cast

from sqlalchemy import types

_MAX_DIGITS: Final = 38
_SCALE: Final = 9


class UnknownSqlTypeError(ValueError):
    """No column of a lake holds what the type stands for; says what to do."""


def neutral_type(kind: types.TypeEngine[Any]) -> str:
    """The text for a type, as the lake has it: lengths and names of types make no difference.

    Raises:
        UnknownSqlTypeError: There is none.
    """
    if isinstance(kind, types.NullType):
        raise UnknownSqlTypeError(
            "it has no type: give one. With a foreign key and a class that is declared later, that "
            "is mapped_column(String, ForeignKey(…))"
        )
    if isinstance(kind, types.Interval):
        raise _unknown(kind)  # what it decorates is an instant, which is something else
    if isinstance(kind, types.TypeDecorator):
        return neutral_type(kind.impl_instance)
    if isinstance(kind, types.ARRAY):
        items = neutral_type(cast("types.TypeEngine[Any]", kind.item_type))
        depth = kind.dimensions or 1
        return f"{'list<' * depth}{items}{'>' * depth}"
    for known, text in _TYPES:
        if isinstance(kind, known):
            return text if isinstance(text, str) else text(kind)
    raise _unknown(kind)


def _unknown(kind: types.TypeEngine[Any]) -> UnknownSqlTypeError:
    return UnknownSqlTypeError(
        f"{kind!r} has no column type in a lake: use String, Boolean, an integer, a float, "
        "Numeric, Date, DateTime(timezone=True), LargeBinary, Uuid, Enum of texts, or ARRAY"
    )


def _instant(kind: types.TypeEngine[Any]) -> str:
    if not getattr(kind, "timezone", False):
        raise UnknownSqlTypeError("it is naive: use DateTime(timezone=True), whose times are UTC")
    return "timestamp[us, UTC]"


def _decimal(kind: types.TypeEngine[Any]) -> str:
    digits: int | None = getattr(kind, "precision", None)
    scale: int | None = getattr(kind, "scale", None)
    digits = _MAX_DIGITS if digits is None else digits
    scale = (_SCALE if digits == _MAX_DIGITS else 0) if scale is None else scale
    if not 1 <= digits <= _MAX_DIGITS or not 0 <= scale <= digits:
        raise UnknownSqlTypeError(
            f"{kind!r} has {digits} digits, {scale} of them behind the point: Delta has up to 38"
        )
    return f"decimal({digits},{scale})"


def _json(kind: types.TypeEngine[Any]) -> str:
    raise UnknownSqlTypeError(f"{kind!r} has no fixed type: use Text and encode it yourself")


# In this order: Float is a Numeric, SmallInteger an Integer, Enum a String.
_TYPES: Final[tuple[tuple[type, str | Callable[[types.TypeEngine[Any]], str]], ...]] = (
    (types.JSON, _json),
    (types.String, "string"),
    (types.Uuid, "string"),
    (types.Boolean, "bool"),
    (types.SmallInteger, "int16"),
    (types.Integer, "int64"),
    (types.REAL, "float32"),
    (types.Float, "float64"),
    (types.Numeric, _decimal),
    (types.DateTime, _instant),
    (types.Date, "date"),
    (types.LargeBinary, "binary"),
)
