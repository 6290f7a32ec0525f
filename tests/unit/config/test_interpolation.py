"""References to variables in the text of a file."""

from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig
from metaxy.config.interpolation import InterpolationError, interpolated
from metaxy.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x-${A}-${B}-y", "x-1-2-y"),
        ("${EMPTY}", ""),
        ("${A:-d}", "1"),
        ("${NOPE:-d}", "d"),
        ("${NOPE:-}", ""),
        ("${EMPTY:-d}", "d"),
        ("${NOPE:-s3://b/c:-d}", "s3://b/c:-d"),
        ("$A $ $$ {A}", "$A $ $$ {A}"),
        ("$${A}", "${A}"),
        ("${LOOKS_LIKE_ONE}", "${A}"),
    ],
)
def test_references_are_replaced_as_in_a_shell(text: str, wanted: str) -> None:
    """`${VAR}` and `${VAR:-default}` are replaced, once; `$${` is a literal one."""
    environment = {"A": "1", "B": "2", "EMPTY": "", "LOOKS_LIKE_ONE": "${A}"}

    assert interpolated(text, environment) == wanted


@pytest.mark.parametrize("text", ["${", "${A", "${1}", "${A-b}", "${A:?b}", "${A:-${B}}", "${}"])
def test_what_looks_like_a_reference_must_be_one(text: str) -> None:
    """Half a reference, or a form that is not known here, is refused instead of kept."""
    with pytest.raises(InterpolationError, match="is no reference to a variable"):
        interpolated(text, {"A": "1", "B": "2"})


def test_references_work_in_tables_and_lists(folder: Path) -> None:
    """Every text of a file may have references, however deep it lies."""
    (folder / "metaxy.toml").write_text(
        'entrypoints = ["${PKG}.features"]\n'
        '[stores.dev]\ntype = "delta"\n'
        '[stores.dev.config]\nroot_path = "${ROOT:-/lake}"\nmarks = [{ a = "${PKG}" }]\n'
    )

    config = MetaxyConfig.load(environment={"PKG": "vision"})

    assert config.entrypoints == ("vision.features",)
    assert config.stores["dev"].config == {"root_path": "/lake", "marks": [{"a": "vision"}]}


def test_a_variable_that_is_not_set_is_told_with_its_place(folder: Path) -> None:
    """The error names file, line, setting and variable, the likely slip, and both ways out."""
    (folder / "metaxy.toml").write_text('\nproject = "${PROJCT_NAME}"\n')

    with pytest.raises(ConfigError) as caught:
        MetaxyConfig.load(environment={"PROJECT_NAME": "x"})

    assert str(caught.value) == (
        "The configuration is wrong: metaxy.toml, line 2: project: the variable PROJCT_NAME is "
        "not set. Did you mean 'PROJECT_NAME'? Set it, or give a default: ${PROJCT_NAME:-…}."
    )
