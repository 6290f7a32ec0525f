"""The reference (docs/reference) has everything that is public."""

import re
from pathlib import Path

import griffe

import metaxy
from metaxy import DeltaMetadataStore

ROOT = Path(__file__).parents[2]


def test_the_reference_has_every_public_name_once() -> None:
    """A name that is added to `metaxy` must be added to a page of the reference."""
    pages = (page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.md"))
    told = [
        name for page in pages for name in re.findall(r"^::: metaxy\.(\w+)$", page, re.MULTILINE)
    ]

    assert sorted(told) == sorted(metaxy.__all__)


def test_every_public_name_has_a_docstring() -> None:
    """The reference shows docstrings; only an alias of types may say all by what it stands for."""
    package = griffe.load("metaxy", search_paths=[ROOT / "src"])
    others = [name for name in metaxy.__all__ if not package[name].is_attribute]

    undocumented = [name for name in others if not package[name].has_docstring]

    assert undocumented == []


def test_every_public_method_has_a_docstring() -> None:
    """So have the methods and properties of public classes."""
    package = griffe.load("metaxy", search_paths=[ROOT / "src"])
    classes = (package[name] for name in metaxy.__all__ if package[name].is_class)

    undocumented = [
        member.path
        for each in classes
        for name, member in each.members.items()
        if not name.startswith("_") and member.is_function and not member.has_docstring
    ]

    assert undocumented == []


def test_the_reference_has_every_option_of_a_store() -> None:
    """Options have descriptions, not docstrings, so the page has them in tables of its own."""
    page = (ROOT / "docs/reference/stores.md").read_text(encoding="utf-8")

    told = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)

    assert sorted(told) == sorted(DeltaMetadataStore.config_model().model_fields)
