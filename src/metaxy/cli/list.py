"""`metaxy list`: features and stores."""

from datetime import datetime

import click

from metaxy.cli import output
from metaxy.cli.command import Command
from metaxy.cli.exit_code import ExitCode
from metaxy.cli.moment import at_option
from metaxy.cli.opening import OpenStore, opened_store
from metaxy.cli.options import json_option, store_option
from metaxy.config import MetaxyConfig
from metaxy.models.keys import FeatureKey
from metaxy.project.features import why_no_features
from metaxy.project.listing import listed_stores

_SHORT = 8


@click.command(
    "features",
    cls=Command,
    examples=[
        ("metaxy list features", "Keys, versions and fields."),
        ("metaxy list features --json | jq -r '.features[].feature'", "Only the keys."),
    ],
)
@at_option
@store_option
@json_option
def list_features(
    *, moment: datetime | str | None, store_name: str | None, as_json: bool
) -> ExitCode:
    """List the features of the code and of the lake.

    A feature that only the lake has was deleted from the code, or belongs to somebody else.
    `metaxy metadata drop` removes its records.
    """
    with opened_store(store_name, needs_features=False, moment=moment) as opened:
        stored = frozenset(opened.store.list_features())
        defined = opened.graph.topological_order()
        only_stored = sorted(stored.difference(defined))
        features = [
            *(_defined(opened, key, is_stored=key in stored) for key in defined),
            *map(_only_stored, only_stored),
        ]
    if as_json:
        output.json_data({"store": opened.name, "features": features})
    elif features:
        output.table(
            ["feature", "project", "version", "fields", "upstream", "in code", "in store"],
            [_row(feature) for feature in features],
        )
    if not defined:
        output.message(why_no_features(opened.project))
    return ExitCode.OK


@click.command(
    "stores",
    cls=Command,
    examples=[("metaxy list stores", "Names for `--store`, and where they are.")],
)
@json_option
def list_stores(*, as_json: bool) -> ExitCode:
    """List the configured stores.

    The default one, marked with `*`, is used where no `--store` is given.
    """
    config = MetaxyConfig.load()
    stores = listed_stores(config)
    if as_json:
        rows = [
            {
                "name": each.name,
                "type": each.type,
                "display": each.display,
                "fallback_stores": list(each.fallback_stores),
                "is_default": each.is_default,
                "source": each.source,
            }
            for each in stores
        ]
        output.json_data({"stores": rows})
        return ExitCode.OK
    output.table(
        ["", "name", "store", "falls back to", "source"],
        [
            (
                "*" if each.is_default else "",
                each.name,
                each.display,
                ", ".join(each.fallback_stores) or None,
                each.source,
            )
            for each in stores
        ],
    )
    return ExitCode.OK


def _defined(opened: OpenStore, key: FeatureKey, *, is_stored: bool) -> dict[str, object]:
    plan = opened.graph.plan(key)
    return {
        "feature": str(key),
        "project": plan.project,
        "feature_version": opened.store.feature_version(key),
        "id_columns": list(plan.id_columns),
        "fields": [str(field.key) for field in plan.fields],
        "upstream": sorted(str(each.upstream) for each in plan.inputs),
        "in_code": True,
        "in_store": is_stored,
    }


def _only_stored(key: FeatureKey) -> dict[str, object]:
    unknown = ("project", "feature_version", "id_columns", "fields", "upstream")
    return {"feature": str(key), **dict.fromkeys(unknown), "in_code": False, "in_store": True}


def _row(feature: dict[str, object]) -> list[str | None]:
    version = feature["feature_version"]
    return [
        str(feature["feature"]),
        _text(feature["project"]),
        str(version)[:_SHORT] if version else None,
        _text(feature["fields"]),
        _text(feature["upstream"]),
        "yes" if feature["in_code"] else "no",
        "yes" if feature["in_store"] else "no",
    ]


def _text(value: object) -> str | None:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return None if value is None else str(value)
