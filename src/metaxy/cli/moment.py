"""Moments as they are typed: a version, a time or a tag."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from metaxy.cli import output
from metaxy.metadata_store.travel import Moment

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class MomentType(click.ParamType[Moment]):
    """A moment. A time without a time zone is one by the clock on the wall."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Moment:
        """Tell a version and a time by their form; all else is the name of a tag."""
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            return datetime.fromisoformat(text).astimezone()
        except ValueError:
            if text[:1].isdigit():
                self.fail(
                    f"{text!r} is no time, such as 2026-11-01 or 2026-11-01T12:00, and no tag, "
                    "which begins with a letter.",
                    param,
                    ctx,
                )
            return text


class LakeMomentType(MomentType):
    """A moment of a whole lake, which no version is."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | str:
        """Refuse a version."""
        moment = super().convert(value, param, ctx)
        if isinstance(moment, int):
            self.fail(
                f"{moment} is the version of one table; give a time or a tag, which mean one for "
                "every table.",
                param,
                ctx,
            )
        return moment


def at_option(command: Decorated) -> Decorated:
    """Add `--at TIME|TAG`, passed as `moment`."""
    return click.option(
        "--at",
        "moment",
        metavar="TIME|TAG",
        type=LakeMomentType(),
        help="See the lake as it was then.",
    )(command)


def shown_moment(moment: Moment) -> str:
    """Write a moment as a person reads it; a time as tables have it, by the clock on the wall."""
    return output.shown(moment) if isinstance(moment, datetime) else str(moment)
