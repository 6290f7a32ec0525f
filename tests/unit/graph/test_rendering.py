"""Graphs as text: written out by hand, versions apart."""

import json

import pytest

from definitions import feature, graph_of
from metaxy.graph.graph import FeatureGraph
from metaxy.graph.rendering import render_dot, render_json, render_mermaid, render_terminal
from metaxy.models.feature_spec import FeatureDep
from metaxy.models.fields import FieldSpec
from metaxy.models.lineage import Lineage


@pytest.fixture(name="films")
def _films() -> FeatureGraph:
    return graph_of(
        feature(
            "video/chunks",
            ids=("video", "n"),
            deps=(
                FeatureDep(
                    "video/file",
                    rename={"id": "video", "path": "source"},
                    filters="fps > 1 OR fps IS NULL",
                    lineage=Lineage.expansion("video"),
                ),
            ),
            fields=(FieldSpec("frames", "3"),),
        ),
        feature(
            "video/file", columns=("path",), fields=("frames", "audio"), project='the "studio"'
        ),
        feature(
            "words", ids=("id", "<b>#1"), deps=("spoken", FeatureDep("video/file", optional=True))
        ),
        feature("spoken", ids=("id", "<b>#1"), fields=(FieldSpec("default", deps=[]),)),
    )


def _v(films: FeatureGraph, key: str, field: str | None = None) -> str:
    version = films.field_version(key, field) if field else films.feature_version(key)
    return version[:8]


def test_a_terminal_shows_a_block_a_feature(films: FeatureGraph) -> None:
    """Upstream first; with ids, inputs, and fields with what they are made of."""
    assert (
        render_terminal(films)
        == f"""\
spoken {_v(films, "spoken")} (films)
├─ id: id, <b>#1
└─ default {_v(films, "spoken", "default")}, code 1

video/file {_v(films, "video/file")} (the "studio")
├─ id: id
├─ audio {_v(films, "video/file", "audio")}, code 1
└─ frames {_v(films, "video/file", "frames")}, code 1

video/chunks {_v(films, "video/chunks")} (films)
├─ id: video, n
├─ from video/file, expansion(video), id as video, path as source, where fps > 1 OR fps IS NULL
└─ frames {_v(films, "video/chunks", "frames")}, code 3 <- video/file.frames

words {_v(films, "words")} (films)
├─ id: id, <b>#1
├─ from spoken
├─ from video/file, optional
└─ default {_v(films, "words", "default")}, code 1 <- spoken.default, video/file.audio, \
video/file.frames
"""
    )


def test_a_terminal_can_show_colours_longer_versions_and_a_part(films: FeatureGraph) -> None:
    """Keys are bold, versions faint."""
    key = films.topological_order(["spoken"])
    feature_version = films.feature_version("spoken")[:12]
    field_version = films.field_version("spoken", "default")[:12]

    assert render_terminal(films, key, version_length=12, colour=True) == (
        f"\x1b[1mspoken\x1b[0m \x1b[2m{feature_version}\x1b[0m (films)\n"
        "├─ id: id, <b>#1\n"
        f"└─ default \x1b[2m{field_version}\x1b[0m, code 1\n"
    )


def test_mermaid_draws_a_flowchart(films: FeatureGraph) -> None:
    """Markup in names is escaped; optional dependencies are dotted."""
    assert (
        render_mermaid(films)
        == f"""\
flowchart TD
    f0["spoken<br/>{_v(films, "spoken")}<br/>id: id, #lt;b#gt;#35;1<br/>\
default {_v(films, "spoken", "default")}"]
    f1["video/file<br/>{_v(films, "video/file")}<br/>id: id<br/>\
audio {_v(films, "video/file", "audio")}<br/>frames {_v(films, "video/file", "frames")}"]
    f2["video/chunks<br/>{_v(films, "video/chunks")}<br/>id: video, n<br/>\
frames {_v(films, "video/chunks", "frames")}"]
    f3["words<br/>{_v(films, "words")}<br/>id: id, #lt;b#gt;#35;1<br/>\
default {_v(films, "words", "default")}"]
    f1 -->|"expansion(video)"| f2
    f0 --> f3
    f1 -.->|"optional"| f3
"""
    )


def test_graphviz_draws_boxes(films: FeatureGraph) -> None:
    """Optional dependencies are dashed."""
    assert (
        render_dot(films)
        == f"""\
digraph features {{
    node [shape=box];
    "spoken" [label="spoken\\n{_v(films, "spoken")}\\nid: id, <b>#1\\n\
default {_v(films, "spoken", "default")}"];
    "video/file" [label="video/file\\n{_v(films, "video/file")}\\nid: id\\n\
audio {_v(films, "video/file", "audio")}\\nframes {_v(films, "video/file", "frames")}"];
    "video/chunks" [label="video/chunks\\n{_v(films, "video/chunks")}\\nid: video, n\\n\
frames {_v(films, "video/chunks", "frames")}"];
    "words" [label="words\\n{_v(films, "words")}\\nid: id, <b>#1\\n\
default {_v(films, "words", "default")}"];
    "video/file" -> "video/chunks" [label="expansion(video)"];
    "spoken" -> "words";
    "video/file" -> "words" [label="optional", style=dashed];
}}
"""
    )


def test_graphviz_escapes_quotes_and_backslashes() -> None:
    """An id column may have any name."""
    graph = graph_of(feature("a", ids=('b"\\',)))

    assert '\\nid: b\\"\\\\\\n' in render_dot(graph)


def test_json_has_what_was_worked_out(films: FeatureGraph) -> None:
    """Versions whole, features in topological order."""
    data = json.loads(render_json(films))

    assert data["snapshot_version"] == films.snapshot_version
    assert [each["key"] for each in data["features"]] == [
        "spoken",
        "video/file",
        "video/chunks",
        "words",
    ]
    assert data["features"][2] == {
        "key": "video/chunks",
        "project": "films",
        "feature_version": films.feature_version("video/chunks"),
        "id_columns": ["video", "n"],
        "fields": [
            {
                "key": "frames",
                "version": films.field_version("video/chunks", "frames"),
                "code_version": "3",
                "parents": [["video/file", "frames"]],
            }
        ],
        "inputs": [
            {
                "feature": "video/file",
                "lineage": {"kind": "expansion", "on": ["video"]},
                "columns": None,
                "rename": {"id": "video", "path": "source"},
                "filters": ["fps > 1 OR fps IS NULL"],
                "optional": False,
            }
        ],
    }


def test_json_can_have_short_versions(films: FeatureGraph) -> None:
    """As a lake with truncated versions has them."""
    data = json.loads(render_json(films, version_length=10))

    assert data["snapshot_version"] == films.snapshot_version[:10]
    assert (
        data["features"][0]["fields"][0]["version"]
        == (films.field_version("spoken", "default")[:10])
    )


def test_an_empty_graph_is_drawn_as_such() -> None:
    """In every form."""
    assert render_terminal(graph_of()) == "The graph has no features.\n"
    assert render_mermaid(graph_of()) == "flowchart TD\n"
    assert render_dot(graph_of()) == "digraph features {\n    node [shape=box];\n}\n"
    assert json.loads(render_json(graph_of()))["features"] == []
