"""What is refused, and in which words."""

from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig
from metaxy.config.files import line_of
from metaxy.errors import ConfigError


def refusal(text: str) -> str:
    """The error for a `metaxy.toml` with this text."""
    Path("metaxy.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        MetaxyConfig.load(environment={})
    return str(caught.value)


def test_all_faults_come_at_once() -> None:
    """One error counts and lists everything, in the order of the file."""
    message = refusal(
        'stor = "dev"\n'
        "project = 3\n"
        "hash_truncation_length = 4\n"
        'entrypoints = ["my-module", "fine.*"]\n'
        "[stores.dev]\n"
        'typ = "delta"\n'
        'root_path = "x"\n'
        "[stores.dev.config]\n"
        'fallback_stores = ["prod"]\n'
    )

    assert message.splitlines() == [
        "The configuration is wrong, 8 faults:",
        "  - metaxy.toml, line 1: stor: there is no setting 'stor'. There is: "
        "'auto_create_tables', 'entrypoints', 'fallback_stores', 'hash_algorithm', "
        "'hash_truncation_length', 'migrations_dir', 'project', 'store', 'stores'. Did you mean "
        "'store'?",
        "  - metaxy.toml, line 2: project: wanted text, got 3.",
        "  - metaxy.toml, line 3: hash_truncation_length: should be greater than or equal to 8; "
        "got 4.",
        "  - metaxy.toml, line 4: entrypoints: 'my-module' is no module name; write it as in an "
        "import: 'package.module'.",
        "  - metaxy.toml, line 6: stores.dev.typ: there is no setting 'typ'. There is: 'config', "
        "'type'. Did you mean 'type'?",
        "  - metaxy.toml, line 6: stores.dev.type: is needed and not set. For a Delta lake: "
        'type = "delta".',
        "  - metaxy.toml, line 7: stores.dev.root_path: there is no setting 'root_path'. There "
        "is: 'config', 'type'. The options of a store go into [stores.dev.config].",
        "  - metaxy.toml, line 9: stores.dev.config.fallback_stores: there is no store 'prod'. "
        "Stores: 'dev'. [stores.prod] would define it.",
    ]


def test_text_that_is_no_toml_is_told_with_the_line() -> None:
    """A file that can't be parsed is named, with the parser's own place."""
    assert refusal("project = \n") == (
        "The configuration is wrong: metaxy.toml: cannot be read: "
        "Invalid value (at line 1, column 11)"
    )


def test_an_unknown_default_store_is_refused() -> None:
    """`store` must name a store; the nearest one is suggested."""
    assert refusal('store = "pord"\n[stores.prod]\ntype = "delta"\n') == (
        "The configuration is wrong: metaxy.toml, line 1: store: there is no store 'pord'. "
        "Stores: 'prod'. Did you mean 'prod'? [stores.pord] would define it."
    )


def test_two_stores_and_no_default_are_refused() -> None:
    """With several stores and none called `dev`, `store` has to say which is the default."""
    message = refusal('[stores.a]\ntype = "delta"\n[stores.b]\ntype = "delta"\n')

    assert message == (
        "The configuration is wrong: store: is needed, for there are several stores and none is "
        "called 'dev'. Stores: 'a', 'b'."
    )


def test_fallbacks_in_a_circle_are_drawn() -> None:
    """A chain of fallbacks that comes back to itself is refused, once, and drawn as a path."""
    message = refusal(
        'store = "a"\n'
        '[stores.a]\ntype = "delta"\nconfig = { fallback_stores = ["b"] }\n'
        '[stores.b]\ntype = "delta"\nconfig = { fallback_stores = ["c"] }\n'
        '[stores.c]\ntype = "delta"\nconfig = { fallback_stores = ["a"] }\n'
    )

    assert message == (
        "The configuration is wrong: metaxy.toml, line 4: stores.a.config.fallback_stores: the "
        "fallbacks go round in a circle: a -> b -> c -> a."
    )


def test_common_fallbacks_can_make_a_circle_too() -> None:
    """The default store's common `fallback_stores` count as its own do."""
    message = refusal(
        'store = "a"\nfallback_stores = ["b"]\n'
        '[stores.a]\ntype = "delta"\n'
        '[stores.b]\ntype = "delta"\nconfig = { fallback_stores = ["a"] }\n'
    )

    assert "the fallbacks go round in a circle: a -> b -> a." in message


@pytest.mark.parametrize("name", ["a__b", "a b", "-a", "a_", "ä/b"])
def test_store_names_fit_into_variables(name: str) -> None:
    """A store's name is letters and digits with single `-` or `_` between them."""
    message = refusal(f'[stores."{name}"]\ntype = "delta"\n')

    assert f"{name!r} is no name for a store" in message


def test_store_names_that_variables_confuse_are_refused() -> None:
    """Two names that differ by case or by `-` and `_` only can't both be meant by a variable."""
    message = refusal('store = "a-b"\n[stores.a-b]\ntype = "delta"\n[stores.A_b]\ntype = "delta"\n')

    assert "'A_b' and 'a-b' are one name in METAXY_* variables" in message


def test_the_constructor_has_the_same_words() -> None:
    """`MetaxyConfig(…)` raises a `ConfigError` with all faults, and no other error."""
    with pytest.raises(ConfigError) as caught:
        MetaxyConfig(store="prod", projct="x")  # pyright: ignore[reportCallIssue]

    assert str(caught.value).splitlines() == [
        "The configuration is wrong, 2 faults:",
        "  - projct: there is no setting 'projct'. There is: 'auto_create_tables', 'entrypoints', "
        "'fallback_stores', 'hash_algorithm', 'hash_truncation_length', 'migrations_dir', "
        "'project', 'store', 'stores'. Did you mean 'project'?",
        "  - store: there is no store 'prod'. Stores: 'dev'. [stores.prod] would define it.",
    ]


def test_a_store_that_is_not_there_is_told_with_the_nearest() -> None:
    """Asking for a store by a wrong name lists the right ones."""
    config = MetaxyConfig(stores={"dev": {"type": "delta"}})  # pyright: ignore[reportArgumentType]

    with pytest.raises(ConfigError) as caught:
        config.named_store("dve")

    assert str(caught.value) == (
        "There is no store 'dve'. Stores: 'dev'. Did you mean 'dev'? [stores.dve] would define it."
    )


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("project",), 1),
        (("stores", "dev", "type"), 3),
        (("stores", "dev", "config", "root_path"), 4),
        (("stores", "a.b", "type"), 6),
        (("stores", "dev", "config", "storage_options", "region"), 8),
        (("stores", "new"), 7),
        (("nope",), None),
    ],
)
def test_the_line_of_a_setting_is_found(path: tuple[str, ...], line: int | None) -> None:
    """Lines are found through tables, dotted keys, quoted keys and inline tables."""
    text = (
        'project = "p" # a comment\n'
        "[stores.dev] # another\n"
        'type = "delta"\n'
        'config = { root_path = "x" }\n'
        '[stores."a.b"]\n'
        'type = "delta"\n'
        "[stores]\n"
        'dev.config.storage_options.region = "x"\n'
    )

    assert line_of(text, path) == line
