"""The words of `metaxy demo`: pure text, a screen a round at most."""

from collections.abc import Mapping
from textwrap import fill
from typing import Final

from metaxy.demo import Edits, FeatureAccount, Round, Selection
from metaxy.errors import counted

TREE: Final[Mapping[str, str]] = {
    "library/file": "library/file",
    "library/age": "├─ library/age",
    "library/module": "└─ library/module",
    "library/function": "   ├─ library/function",
    "library/package_summary": "   ├─ library/package_summary",
    "library/review": "   └─ library/review (+ age)",
}
"""The graph, a feature a line, in the order in which the project runs through it."""

_WIDTH: Final = max(map(len, TREE.values()))
_COLUMNS: Final = ("records", "computed", "skipped", "pruned", "deleted", "seconds")
_LINE: Final = 98

HEADER: Final = " ".join(["feature".ljust(_WIDTH), *_COLUMNS])


def beginning(selection: Selection, *, is_default: bool) -> str:
    """What the demo is about to run on."""
    what = "the standard library of this Python" if is_default else f"'{selection.folder}'"
    kilobytes = -(-selection.size_bytes // 1000)
    lines = [
        f"A lake over {what}: a copy of {_count(len(selection.files), 'file')}, {kilobytes:,} kB.",
        *_left_out(selection),
        "Pruned are skipped records of which something upstream changed, but nothing they need.",
    ]
    return "\n".join(lines)


def scene(name: str, edits: Edits) -> tuple[str, str]:
    """The title of a round, and what happened before it."""
    if name == "new":
        return "Round 1: everything is new", "$ python run.py files"
    if name == "edited":
        return "Round 2: some files change", f"{_told(edits)}\n$ python run.py files"
    happened = (
        "In features.py, the code_version of library/module's field `docs` is now '2', not '1'."
    )
    return "Round 3: the code of one field changes", f"{happened}\n$ python run.py files"


def feature_line(account: FeatureAccount) -> str:
    """A row of the table, with the fields that have new input where they differ in that."""
    numbers = (
        account.records,
        account.computed,
        account.skipped,
        account.pruned,
        account.removed,
    )
    texts = [*map(_shown, numbers), f"{account.seconds:.2f}"]
    cells = [text.rjust(len(name)) for name, text in zip(_COLUMNS, texts, strict=True)]
    label = TREE.get(account.feature, account.feature).ljust(_WIDTH)
    return f"{' '.join([label, *cells])}  {_news(account)}".rstrip()


def reason(done: Round) -> str:
    """Why so much was computed and not more, and that nothing is left to do."""
    told = [*_reasons(done), *_problems(done), _rest(done)]
    return "\n".join(fill(line, width=_LINE) for line in told)


def _reasons(done: Round) -> list[str]:
    if done.name == "new":
        return ["Nothing was stored yet, so every record was computed."]
    pruned = {feature: account.pruned for feature, account in done.accounts.items()}
    told = _edit_reasons(pruned) if done.name == "edited" else _code_reasons(pruned)
    return told or ["Every record behind a change was computed: there was none to prune."]


def _edit_reasons(pruned: Mapping[str, int]) -> list[str]:
    behind = [name for name in ("function", "package_summary") if pruned[f"library/{name}"]]
    reasons: list[str] = []
    if pruned["library/module"]:
        reasons.append(
            "a touched file has a new `stat`, and `module` is made from `content` alone."
        )
    if behind:
        names = " and ".join(f"`{name}`" for name in behind)
        reasons.append(f"a new comment leaves structure and docs as they were, so {names} stay.")
    return [f"Pruned: {each}" for each in reasons]


def _code_reasons(pruned: Mapping[str, int]) -> list[str]:
    if not pruned["library/function"]:
        return []
    return ["Pruned: `function` is made from `structure`; only what is made from `docs` is new."]


def _problems(done: Round) -> list[str]:
    number = sum(account.problems for account in done.accounts.values())
    if not number:
        return []
    return [f"Not valid Python: {_count(number, 'file')}, recorded with the reason."]


def _rest(done: Round) -> str:
    if done.left:
        behind = ", ".join(each.feature for each in done.accounts.values() if each.left)
        return f"SOMETHING IS WRONG: asked again, {done.left} records are still to do, of {behind}."
    return f"Asked again: nothing left to do. The round took {done.seconds:.1f} s."


def _told(edits: Edits) -> str:
    """The edits as a sentence; kinds without files are left out."""
    broken = ", one of them not valid Python" if len(edits.added) > 1 else ""
    parts = [
        (len(edits.reworked), "Python file", "with a new function"),
        (len(edits.commented), "Python file", "with a new comment"),
        (len(edits.rewritten), "other file", "with another byte"),
        (len(edits.touched), "file", "touched"),
        (len(edits.deleted), "file", "deleted"),
        (len(edits.added), "file", f"added{broken}"),
    ]
    sentence = ", ".join(f"{_count(n, noun)} {what}" for n, noun, what in parts if n)
    return fill(f"{sentence}.", width=_LINE)


def _left_out(selection: Selection) -> list[str]:
    reasons = [f"{_count(n, 'file')} {why}" for why, n in sorted(selection.left_out.items())]
    if selection.is_cut:
        reasons.append("all files after these, as they are enough")
    return [f"Left out: {', '.join(reasons)}."] if reasons else []


def _news(account: FeatureAccount) -> str:
    """What the numbers don't show: that fields differ, or that the version made it all new."""
    counts = set(account.fields.values())
    if len(counts) > 1:
        return ", ".join(f"{name} {_shown(n)}" for name, n in account.fields.items() if n)
    return "(new version)" if account.new_version and counts == {0} else ""


def _shown(number: int) -> str:
    return f"{number:,}" if number else "-"


def _count(number: int, noun: str) -> str:
    return counted(number, noun).replace(str(number), f"{number:,}", 1)
