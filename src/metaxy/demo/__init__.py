"""The demo: the main job on real files, in three rounds.

The project that it runs is `examples/source_library`, which is shipped with the package. The demo
does what a person would do with it: puts it into a folder beside a copy of some files, runs its
`run.py`, changes files, runs it again, changes the version of a piece of code, runs it a third
time. Nothing of it is imported, so none of its features is declared in this process.
"""

from metaxy.demo.accounts import FeatureAccount
from metaxy.demo.edits import Edits
from metaxy.demo.play import Play, Round
from metaxy.demo.selection import Selection, default_folder, select_files

__all__ = [
    "Edits",
    "FeatureAccount",
    "Play",
    "Round",
    "Selection",
    "default_folder",
    "select_files",
]
