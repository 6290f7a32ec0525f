"""What the demo should count, found out from the files before and after, and from nothing else.

Deliberately another way than the project's own: whole files are compared, and whole syntax trees.
"""

import ast
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

Figures: TypeAlias = dict[str, int | dict[str, int]]


@dataclass(frozen=True)
class File:
    """A file as it lies there."""

    content: bytes
    modified_ns: int


Files: TypeAlias = Mapping[str, File]


def files_in(folder: Path, names: Iterable[str] | None = None) -> dict[str, File]:
    """All files below a folder, or those of the given names that are there."""
    paths = folder.rglob("*") if names is None else (folder / name for name in names)
    return {
        path.relative_to(folder).as_posix(): File(path.read_bytes(), path.stat().st_mtime_ns)
        for path in paths
        if path.is_file()
    }


class Change:
    """What is different between two states of a folder, each kind as a set of paths."""

    def __init__(self, before: Files, after: Files) -> None:
        both = before.keys() & after.keys()
        self.before, self.after = before, after
        self.added = after.keys() - before.keys()
        self.deleted = before.keys() - after.keys()
        self.rewritten = {path for path in both if before[path].content != after[path].content}
        self.touched = {path for path in both if before[path] != after[path]} - self.rewritten
        self.meaning_other = {
            path
            for path in python(self.rewritten)
            if _meaning(before[path].content) != _meaning(after[path].content)
        }
        self.commented = python(self.rewritten) - self.meaning_other


def first_round(files: Files) -> dict[str, Figures]:
    """Everything is computed."""
    modules = python(files)
    sizes = {
        "library/file": (len(files), len(files), ["content", "stat"]),
        "library/age": (len(files), len(files), ["default"]),
        "library/module": (len(modules), len(modules), ["docs", "structure"]),
        "library/function": (functions(files, modules), len(modules), ["default"]),
        "library/package_summary": (
            len(packages(modules)),
            len(packages(modules)),
            ["coverage", "size"],
        ),
        "library/review": (len(modules), len(modules), ["default"]),
    }
    return {
        feature: figures(records, records, added=asked, fields=dict.fromkeys(fields, asked))
        for feature, (records, asked, fields) in sizes.items()
    }


def second_round(change: Change) -> dict[str, Figures]:
    """What was edited is computed, and what a change could not reach is pruned."""
    added, deleted, after = change.added, change.deleted, change.after
    other = change.rewritten | change.touched
    modules, was = python(after), python(change.before)
    asked = {"added": len(added), "changed": len(other), "removed": len(deleted)}
    of_python = {"added": len(python(added)), "removed": len(python(deleted))}
    parsed = python(added | change.rewritten)
    expanded = python(added) | change.meaning_other
    changed_packages = packages(expanded | python(deleted))
    kept = packages(modules) & packages(was)
    new, gone = packages(modules) - packages(was), packages(was) - packages(modules)
    summed = len(new) + len(changed_packages & kept)
    return {
        "library/file": figures(
            len(after),
            len(added | other),
            **asked,
            fields={"content": len(added | change.rewritten), "stat": len(added | other)},
        ),
        "library/age": figures(
            len(after), len(added | other), **asked, fields={"default": len(added | other)}
        ),
        "library/module": figures(
            len(modules),
            len(parsed),
            **of_python,
            changed=len(python(change.rewritten)),
            pruned=len(python(change.touched)),
            fields={"docs": len(parsed), "structure": len(parsed)},
        ),
        "library/function": figures(
            functions(after, modules),
            functions(after, expanded),
            added=len(python(added)),
            changed=len(change.meaning_other),
            removed=functions(change.before, python(deleted)),
            pruned=functions(after, change.commented),
            fields={"default": len(expanded)},
        ),
        "library/package_summary": figures(
            len(packages(modules)),
            summed,
            added=len(new),
            changed=len(changed_packages & kept),
            removed=len(gone),
            pruned=len(packages(change.commented) - changed_packages),
            fields={"coverage": summed, "size": summed},
        ),
        "library/review": figures(
            len(modules),
            len(python(added | other)),
            **of_python,
            changed=len(python(other)),
            fields={"default": len(python(added | other))},
        ),
    }


def third_round(files: Files) -> dict[str, Figures]:
    """The docs of all modules and all that is made from them; no function, no file."""
    modules = python(files)
    all_functions, all_packages = functions(files, modules), len(packages(modules))
    every = len(modules)
    return {
        "library/file": figures(len(files), 0, fields={"content": 0, "stat": 0}),
        "library/age": figures(len(files), 0, fields={"default": 0}),
        "library/module": figures(
            every, every, added=every, fields={"docs": every, "structure": 0}
        ),
        "library/function": figures(all_functions, 0, pruned=all_functions, fields={"default": 0}),
        "library/package_summary": figures(
            all_packages, all_packages, added=all_packages, fields={"coverage": 0, "size": 0}
        ),
        "library/review": figures(every, every, added=every, fields={"default": 0}),
    }


def figures(
    records: int,
    computed: int,
    *,
    fields: dict[str, int],
    added: int = 0,
    changed: int = 0,
    removed: int = 0,
    pruned: int = 0,
) -> Figures:
    """The figures of one feature in one round."""
    return {
        "records": records,
        "computed": computed,
        "skipped": records - computed,
        "pruned": pruned,
        "added": added,
        "changed": changed,
        "removed": removed,
        "fields": fields,
        "left": 0,
    }


def python(paths: Iterable[str]) -> set[str]:
    """Those that are Python files by their names."""
    return {path for path in paths if PurePosixPath(path).suffix == ".py"}


def packages(paths: Iterable[str]) -> set[str]:
    """The folders of files."""
    return {str(PurePosixPath(path).parent) for path in paths}


def functions(files: Files, paths: Iterable[str]) -> int:
    """How many functions there are in some files; none in those that can't be parsed."""
    trees = (_tree(files[path].content) for path in paths)
    return sum(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for tree in trees
        if tree is not None
        for node in ast.walk(tree)
    )


def is_broken(file: File) -> bool:
    """Whether Python can't parse a file."""
    return _tree(file.content) is None


def _meaning(content: bytes) -> object:
    """Equal for files that differ by comments only."""
    tree = _tree(content)
    return content if tree is None else ast.dump(tree)


def _tree(content: bytes) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(content)
        except (SyntaxError, ValueError):
            return None
