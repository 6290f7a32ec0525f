"""Which settings are in force."""

import threading
from pathlib import Path

import pytest

from metaxy.config import MetaxyConfig


def test_without_more_the_current_folder_holds(folder: Path) -> None:
    """`get` finds the settings of the current folder, and finds them anew each time."""
    assert MetaxyConfig.get().project is None

    (folder / "metaxy.toml").write_text('project = "p"\n')

    assert MetaxyConfig.get().project == "p"


def test_set_holds_in_all_threads_until_reset() -> None:
    """What `set` was given is in force in every thread, until `reset`."""
    config = MetaxyConfig(project="p")
    seen: list[MetaxyConfig] = []

    MetaxyConfig.set(config)
    thread = threading.Thread(target=lambda: seen.append(MetaxyConfig.get()))
    thread.start()
    thread.join()
    MetaxyConfig.reset()

    assert seen == [config]
    assert MetaxyConfig.get().project is None


def test_use_holds_inside_its_block() -> None:
    """The innermost `use` block wins over `set`, and leaves no trace, also after an error."""
    outer, inner = MetaxyConfig(project="outer"), MetaxyConfig(project="inner")
    MetaxyConfig.set(MetaxyConfig(project="set"))

    with outer.use():
        with inner.use() as used:
            assert MetaxyConfig.get() is inner is used
        assert MetaxyConfig.get() is outer
        with pytest.raises(ZeroDivisionError), inner.use():
            raise ZeroDivisionError
        assert MetaxyConfig.get() is outer
    assert MetaxyConfig.get().project == "set"
