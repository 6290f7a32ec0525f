"""What the library knows of a folder of source files: six features and what each is made from.

    library/file ─┬─ library/module ─┬─ library/function         1:N
                  │                  ├─ library/package_summary  N:1
                  │                  └─ library/review ─┐        two upstreams
                  └─ library/age ───────────────────────┘

Edges are drawn between features; what is computed again follows the fields behind them. `age` is
made from the field `stat` alone and `module` from `content` alone, so a file that is touched and
not edited reaches the first and never the second.
"""

from datetime import date, datetime

from metaxy import BaseFeature, FeatureDep, FeatureSpec, FieldDep, FieldSpec, Lineage


class File(
    BaseFeature,
    spec=FeatureSpec(
        "library/file",
        id_columns="path",
        fields=["content", "stat"],
        description="A file of the folder; versions come from its bytes and from its inode.",
    ),
):
    """The root: nothing is computed from other features here, the folder itself is looked at."""

    path: str
    package: str
    suffix: str
    size_bytes: int
    modified_at: datetime


class Age(
    BaseFeature,
    spec=FeatureSpec(
        "library/age",
        id_columns="path",
        deps=[FeatureDep(File, columns=["size_bytes", "modified_at"])],
        fields=[FieldSpec("default", deps=[FieldDep(File, "stat")])],
        description="When a file was changed, and how large it is.",
    ),
):
    """Depends on `stat` only: an edit that kept size and time would not reach it."""

    path: str
    modified_on: date
    size_class: str


class Module(
    BaseFeature,
    spec=FeatureSpec(
        "library/module",
        id_columns="path",
        deps=[FeatureDep(File, columns="package", filters="suffix = '.py'")],
        fields=[
            FieldSpec("structure", code_version="1", deps=[FieldDep(File, "content")]),
            FieldSpec("docs", code_version="1", deps=[FieldDep(File, "content")]),
        ],
        description="A Python file, parsed; a file that can't be parsed says why in `problem`.",
    ),
):
    """Depends on `content` only.

    It supplies its own data versions: `structure` from the functions and classes found, `docs`
    from which of them are documented. A new comment makes a new content, so that the file is parsed
    again, but the same structure and the same docs, so that nothing behind it is computed.
    """

    path: str
    package: str
    functions: int
    classes: int
    documented: int
    problem: str | None = None


class Function(
    BaseFeature,
    spec=FeatureSpec(
        "library/function",
        id_columns=["path", "name"],
        deps=[FeatureDep(Module, columns=(), lineage=Lineage.expansion("path"))],
        fields=[FieldSpec("default", deps=[FieldDep(Module, "structure")])],
        description="A function or method.",
    ),
):
    """1:N: a module has any number of functions; none, for many."""

    path: str
    name: str
    kind: str
    arguments: int
    statements: int


class PackageSummary(
    BaseFeature,
    spec=FeatureSpec(
        "library/package_summary",
        id_columns="package",
        deps=[FeatureDep(Module, columns="package", lineage=Lineage.aggregation("package"))],
        fields=[
            FieldSpec("size", deps=[FieldDep(Module, "structure")]),
            FieldSpec("coverage", deps=[FieldDep(Module, "docs")]),
        ],
        description="The modules of a folder, counted.",
    ),
):
    """N:1: a package is computed again when a module of it changed, came or went."""

    package: str
    modules: int
    functions: int
    documented_percent: float | None = None


class Review(
    BaseFeature,
    spec=FeatureSpec(
        "library/review",
        id_columns="path",
        deps=[
            FeatureDep(Module, columns=["functions", "documented"]),
            FeatureDep(Age, columns="modified_on"),
        ],
        fields=[FieldSpec("default", deps=[FieldDep(Module, "docs"), FieldDep(Age, "default")])],
        description="How much of a module wants documenting, and since when.",
    ),
):
    """Two upstreams, joined on `path`: computed again when either has news."""

    path: str
    undocumented: int
    since: date
