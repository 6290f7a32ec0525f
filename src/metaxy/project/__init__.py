"""The composition root: settings and feature modules become a graph and stores.

Nothing below knows where settings come from or which modules there are; nothing above builds a
store in another way.
"""

from metaxy.project.discovery import ENTRY_POINT_GROUP
from metaxy.project.setup import Project, init_metaxy
from metaxy.project.stores import build_store

__all__ = ["ENTRY_POINT_GROUP", "Project", "build_store", "init_metaxy"]
