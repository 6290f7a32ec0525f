"""Importing the modules that define features.

They are named by the setting `entrypoints` and by installed distributions, in the entry point group
`metaxy.features`:

    [project.entry-points."metaxy.features"]
    any-name = "my_package.features"

A name that ends in `.*` means a package with all modules in it, at any depth.
"""

import importlib
import pkgutil
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from metaxy.config import MetaxyConfig
from metaxy.errors import EntrypointError, itemised

ENTRY_POINT_GROUP = "metaxy.features"
"""The group of entry points whose values are modules that define features."""

_ALL_BELOW = ".*"
_IMPORTING = importlib.__file__
_METAXY = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class FeatureModule:
    """A module to import, and who asks for it; `name` may end in `.*`."""

    name: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class _Failure:
    module: str
    asked_by: str
    error: BaseException


def feature_modules(config: MetaxyConfig) -> tuple[FeatureModule, ...]:
    """Give the modules that settings and installed distributions name, each once.

    Those of installed distributions come first and sorted, those of the settings in their order.
    """
    installed = sorted(
        (
            FeatureModule(point.value, f"entry point '{point.name}' of {_distribution(point.dist)}")
            for point in entry_points(group=ENTRY_POINT_GROUP)
        ),
        key=lambda module: (module.name, module.asked_by),
    )
    configured = [FeatureModule(name, config.source("entrypoints")) for name in config.entrypoints]
    by_name: dict[str, FeatureModule] = {}
    for module in [*installed, *configured]:
        by_name.setdefault(module.name, module)
    return tuple(by_name.values())


def import_feature_modules(modules: Iterable[FeatureModule], *, folder: Path) -> tuple[str, ...]:
    """Import modules, and give the names of all that were imported.

    Args:
        modules: What to import, in this order.
        folder: Where the project's own modules lie, if they are not installed: it and its `src`
            are put before `sys.path`, as Python does with the folder of a program.

    Raises:
        EntrypointError: Names every module that could not be imported, with the cause.
    """
    modules = tuple(modules)
    if modules:
        _make_importable(folder)
    imported: list[str] = []
    failures: list[_Failure] = []
    for module in modules:
        for name, error in _imports(module.name):
            if error is None:
                imported.append(name)
            else:
                failures.append(_Failure(name, module.asked_by, error))
    if failures:
        raise _error(failures) from _cause(failures)
    return tuple(dict.fromkeys(imported))


def _imports(name: str) -> Iterator[tuple[str, BaseException | None]]:
    """Import a module, or a package with all in it, and give each with what went wrong."""
    base = name.removesuffix(_ALL_BELOW)
    error = _import_error(base)
    yield base, error
    if error is not None or not name.endswith(_ALL_BELOW):
        return
    paths = getattr(sys.modules[base], "__path__", None)
    if paths is None:
        yield name, ImportError(f"'{base}' is a module and no package; leave out the '.*'")
        return
    for found in sorted(pkgutil.iter_modules(paths, f"{base}."), key=lambda found: found.name):
        yield from _imports(f"{found.name}{_ALL_BELOW}" if found.ispkg else found.name)


def _import_error(name: str) -> BaseException | None:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a user's module raises
        return error
    return None


def _make_importable(folder: Path) -> None:
    importlib.invalidate_caches()
    for path in (folder / "src", folder):
        if path.is_dir() and str(path) not in sys.path:
            sys.path.insert(0, str(path))


def _distribution(distribution: object) -> str:
    name: object = getattr(distribution, "name", None)
    return f"'{name}'" if isinstance(name, str) else "an installed distribution"


def _error(failures: list[_Failure]) -> EntrypointError:
    lines = [
        f"{failure.module} (from {failure.asked_by}): {_described(failure)}" for failure in failures
    ]
    only = failures[0].module if len(failures) == 1 else None
    return EntrypointError(itemised("Feature modules cannot be imported", lines), entrypoint=only)


def _described(failure: _Failure) -> str:
    error = failure.error
    if isinstance(error, ModuleNotFoundError) and _is_of(error.name, failure.module):
        return f"there is no module '{error.name}' in the project's folder or installed."
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    text = f"{type(error).__name__}: {said}".rstrip(": ")
    place = _place(error)
    return f"{text} [{place}]" if place else text


def _is_of(missing: str | None, module: str) -> bool:
    """Tell whether what is missing is the module itself or a package around it."""
    return missing is not None and f"{module}.".startswith(f"{missing}.")


def _place(error: BaseException) -> str | None:
    """Give the file and line where it happened, as far inside the user's own code as it goes."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and frame.filename not in (__file__, _IMPORTING)
    ]
    others = [frame for frame in frames if not Path(frame.filename).is_relative_to(_METAXY)]
    own = [frame for frame in others if not _is_installed(frame.filename)]
    innermost = next((found[-1] for found in (own, others, frames) if found), None)
    return f"{innermost.filename}:{innermost.lineno}" if innermost is not None else None


def _is_installed(file: str) -> bool:
    folders = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return any(Path(file).is_relative_to(folder) for folder in folders)


def _cause(failures: list[_Failure]) -> BaseException:
    """Give what was raised, so that its traceback is shown above ours."""
    errors = [failure.error for failure in failures]
    return errors[0] if len(errors) == 1 else BaseExceptionGroup("imports that failed", errors)
