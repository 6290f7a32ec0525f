"""Which modules are imported, and what is said of those that can't be."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig
from metaxy.errors import EntrypointError
from metaxy.project import init_metaxy
from metaxy.project.discovery import FeatureModule, feature_modules, import_feature_modules

Write = Callable[[str, str], Path]

FEATURE = """
from metaxy import BaseFeature, FeatureSpec

class {name}(BaseFeature, spec=FeatureSpec(key="{key}", id_columns=["id"])):
    id: str
"""


def install(write: Write, folder: Path, *, points: str) -> None:
    """Let the folder look like one that a distribution with these entry points is installed in."""
    write(
        "demo_dist-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo-dist\nVersion: 1.0\n"
    )
    write("demo_dist-1.0.dist-info/entry_points.txt", f"[metaxy.features]\n{points}\n")
    sys.path.insert(0, str(folder))


def test_modules_of_the_settings_are_imported_from_beside_the_file(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that lies beside `metaxy.toml` is found from any folder below."""
    write("metaxy.toml", 'project = "demo"\nentrypoints = ["beside_it"]\n')
    write("beside_it.py", FEATURE.format(name="Video", key="video/file"))
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")

    project = init_metaxy()

    assert project.modules == ("beside_it",)
    assert [str(key) for key in project.graph.keys] == ["video/file"]
    assert project.graph.projects == ("demo",)
    assert MetaxyConfig.get() is project.config


def test_modules_in_src_are_found(write: Write) -> None:
    """A project in the src layout needs no installation to be imported."""
    write("metaxy.toml", 'entrypoints = ["in_src.features"]\n')
    write("src/in_src/__init__.py", "")
    write("src/in_src/features.py", FEATURE.format(name="Video", key="video/file"))

    assert init_metaxy().modules == ("in_src.features",)


def test_a_star_means_all_modules_of_a_package(write: Write) -> None:
    """`package.*` imports the package and everything in it, at any depth, sorted."""
    write("stars/__init__.py", "")
    write("stars/b.py", "")
    write("stars/a/__init__.py", "")
    write("stars/a/inner.py", "")

    project = init_metaxy(MetaxyConfig(entrypoints=("stars.*",)))

    assert project.modules == ("stars", "stars.a", "stars.a.inner", "stars.b")


def test_installed_distributions_are_asked_first(folder: Path, write: Write) -> None:
    """Entry points come before the settings, sorted; a module named by both is imported once."""
    install(write, folder, points="one = dist_b\ntwo = dist_a")

    modules = feature_modules(MetaxyConfig(entrypoints=("own", "dist_b")))

    assert modules == (
        FeatureModule("dist_a", "entry point 'two' of 'demo-dist'"),
        FeatureModule("dist_b", "entry point 'one' of 'demo-dist'"),
        FeatureModule("own", "argument"),
    )


def test_every_module_that_fails_is_told_at_once(folder: Path, write: Write) -> None:
    """One error names each module, who asked for it, the cause, and where it happened."""
    write(
        "metaxy.toml", 'entrypoints = ["no_such", "raises", "is_fine", "no_syntax", "needs_it"]\n'
    )
    write("raises.py", "\n\n1 / 0\n")
    write("is_fine.py", "")
    write("no_syntax.py", "x = (\n")
    write("needs_it.py", "import metaxy_is_missing_this\n")

    with pytest.raises(EntrypointError) as caught:
        init_metaxy()

    assert str(caught.value).splitlines() == [
        "Feature modules cannot be imported, 4 faults:",
        "  - no_such (from metaxy.toml, line 1): there is no module 'no_such' in the project's "
        "folder or installed.",
        "  - raises (from metaxy.toml, line 1): ZeroDivisionError: division by zero "
        f"[{folder}/raises.py:3]",
        "  - no_syntax (from metaxy.toml, line 1): SyntaxError: '(' was never closed "
        f"[{folder}/no_syntax.py:1]",
        "  - needs_it (from metaxy.toml, line 1): ModuleNotFoundError: No module named "
        f"'metaxy_is_missing_this' [{folder}/needs_it.py:1]",
    ]
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)


def test_a_faulty_definition_is_told_with_its_place_in_the_module(
    folder: Path, write: Write
) -> None:
    """The line of the user's own code, and not that of metaxy or pydantic where it was found."""
    write("faulty.py", "from metaxy import FeatureSpec\n\nFeatureSpec('a', id_column=['x'])\n")

    with pytest.raises(EntrypointError) as caught:
        init_metaxy(MetaxyConfig(entrypoints=("faulty",)))

    assert str(caught.value).endswith(f" [{folder}/faulty.py:3]")


def test_one_failure_keeps_its_traceback(write: Write) -> None:
    """What a single module raised is the cause of the error, and the module is an attribute."""
    write("exits.py", "raise SystemExit('no licence')\n")

    with pytest.raises(EntrypointError) as caught:
        init_metaxy(MetaxyConfig(entrypoints=("exits",)))

    assert caught.value.entrypoint == "exits"
    assert isinstance(caught.value.__cause__, SystemExit)


def test_a_star_behind_a_module_is_refused(folder: Path, write: Write) -> None:
    """`module.*` of a module that is no package says to leave the star out."""
    write("plain_module.py", "")

    with pytest.raises(EntrypointError, match=r"is a module and no package; leave out the '\.\*'"):
        import_feature_modules([FeatureModule("plain_module.*", "argument")], folder=folder)


def test_without_modules_nothing_is_touched(folder: Path) -> None:
    """Where nothing is to be imported, the import path stays as it is."""
    before = list(sys.path)

    assert import_feature_modules([], folder=folder) == ()
    assert sys.path == before


def test_setting_up_twice_is_the_same_as_once(write: Write) -> None:
    """A second call finds modules imported, and changes nothing."""
    write("metaxy.toml", 'entrypoints = ["twice_over"]\n')
    write("twice_over.py", FEATURE.format(name="Video", key="video/file"))

    first, second = init_metaxy(), init_metaxy()

    assert first.modules == second.modules == ("twice_over",)
    assert first.graph.snapshot_version == second.graph.snapshot_version
