"""The public names: all there, each its module's own, and quick to come by."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import metaxy
from metaxy import meta_tables

HEAVY = ("deltalake", "narwhals", "polars", "pyarrow", "sqlglot")


def imported_after(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and give the heavy modules that it imported."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run(  # noqa: S603 — our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "statement",
    [
        "import metaxy",
        "from metaxy import BaseFeature, FeatureDep, FeatureGraph, FeatureSpec, MetaxyError",
        "import metaxy; metaxy.FeatureDep('a', filters='x > 1')",
    ],
)
def test_definitions_import_no_data_frames(statement: str) -> None:
    """Declaring features, filters included, and asking the graph needs no frame library."""
    assert imported_after(statement) == set()


@pytest.mark.parametrize("package", [metaxy, meta_tables], ids=lambda each: each.__name__)
def test_type_checkers_and_python_see_the_same_names(package: ModuleType) -> None:
    """The imports for type checkers, `__all__` and the table of modules agree."""
    (only_checked,) = (
        node
        for node in ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    checked = {
        alias.name: node.module
        for node in only_checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert checked == package._MODULE_OF
    assert sorted(package.__all__) == sorted(checked)
    assert dir(package) == sorted(package.__all__)


@pytest.mark.parametrize("name", ["BaseFeature", "FeatureKey", "ALL", "FeatureGraph", "Increment"])
def test_a_public_name_is_the_one_of_its_module(name: str) -> None:
    """Nothing is made anew on the way."""
    module = sys.modules.get(metaxy._MODULE_OF[name])

    assert getattr(metaxy, name) is not None
    assert module is None or getattr(metaxy, name) is getattr(module, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'metaxy' has no attribute 'Videos'"):
        metaxy.Videos  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue]
