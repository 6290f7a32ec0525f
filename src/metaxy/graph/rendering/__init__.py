"""Graphs as text: for terminals, for Mermaid and Graphviz, and for programs. Pure; nothing prints.

Equal graphs give equal texts.
"""

from metaxy.graph.rendering.dot import render_dot
from metaxy.graph.rendering.json import render_json
from metaxy.graph.rendering.mermaid import render_mermaid
from metaxy.graph.rendering.terminal import render_terminal

__all__ = ["render_dot", "render_json", "render_mermaid", "render_terminal"]
