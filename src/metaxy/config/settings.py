"""`MetaxyConfig`: all settings of a project as one frozen value."""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from metaxy.config import tree
from metaxy.config.checks import no_store, reference_faults, schema_faults
from metaxy.config.layers import DEFAULT_STORE, Merged, merged, with_default_store
from metaxy.config.redaction import shown
from metaxy.config.tree import ARGUMENT, Entry, Fault, dotted, flatten, nested, origin_of
from metaxy.errors import ConfigError, itemised

_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """One setting as a person may see it.

    Attributes:
        key: Its path, e.g. `stores.dev.config.root_path`.
        value: What holds, with `***` for credentials.
        source: Who set it: a file and line, a variable, `argument` or `default`.
    """

    key: str
    value: object
    source: str


class _Table(BaseModel):
    """A table of settings: frozen, without unknown keys, and without secrets when printed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        for name in type(self).model_fields:
            yield name, shown(_plain(getattr(self, name)), (name,))


class NamedStore(_Table):
    """A store as it is configured: what kind it is, and its options.

    Attributes:
        type: `"delta"`, or the import path of a store class: `"package.module.Class"`.
        config: The options of that kind. They are checked when the store is built, by the kind's
            own model.
    """

    type: _Text
    config: dict[str, object] = {}


class _Settings(_Table):
    """What can be set; the descriptions are those of the reference documentation."""

    project: _Text | None = Field(
        default=None,
        description="The project of features that name none; else their top-level package.",
    )
    store: _Text = Field(
        default=DEFAULT_STORE,
        description="The store that is used where none is named.",
    )
    stores: dict[str, NamedStore] = Field(
        default_factory=dict[str, NamedStore],
        description="The stores by name; without any there is a Delta lake 'dev' in .metaxy/lake.",
    )
    fallback_stores: tuple[_Text, ...] = Field(
        default=(),
        description="What the default store falls back to, in this order, unless its own options "
        "say so; its own name is passed over.",
    )
    hash_algorithm: _Text | None = Field(
        default=None,
        description="The row hash of every store whose own options name none.",
    )
    hash_truncation_length: int | None = Field(
        default=None,
        ge=8,
        le=64,
        description="The length that every version is cut to, in characters, for every store whose "
        "own options give none.",
    )
    auto_create_tables: bool = Field(
        default=True,
        description="Whether a first write may create a table, for every store whose own options "
        "don't say.",
    )
    entrypoints: tuple[_Text, ...] = Field(
        default=(),
        description="The modules that define the project's features; 'package.*' means all modules "
        "in a package.",
    )
    migrations_dir: _Text = Field(
        default="migrations",
        description="The folder of the migration files; a relative one is beside the configuration "
        "file.",
    )


class MetaxyConfig(_Settings):
    """All settings of a project.

    `MetaxyConfig.load()` reads them from where they are kept. `MetaxyConfig(project=…, stores=…)`
    is a plain value: it reads neither files nor environment, and raises a `ConfigError` with all
    faults. Printing one never shows a credential; `stores["…"].config` holds them as they are.
    """

    _entries: tree.Entries = PrivateAttr(default_factory=dict[tree.Path, Entry])
    _files: tuple[Path, ...] = PrivateAttr(default=())
    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    _used: ClassVar[ContextVar["MetaxyConfig | None"]] = ContextVar("metaxy_config", default=None)
    _set: ClassVar["MetaxyConfig | None"] = None

    if not TYPE_CHECKING:  # a type checker is to see the signature that pydantic gives

        def __init__(self, **values: object) -> None:
            values = {name: _plain(value) for name, value in values.items()}
            given = {path: Entry(value, ARGUMENT) for path, value in flatten(values) if path}
            entries = with_default_store(given, Path.cwd())
            values = nested(entries)
            _refuse(_faults(values, entries))
            super().__init__(**values)
            self._entries = entries

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        search_parents: bool = True,
        overrides: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Read the settings: `overrides` over environment over metaxy.toml over pyproject.toml.

        Args:
            path: A file, or a folder to begin the search at. By default the file that
                `METAXY_CONFIG` names, else the current folder.
            search_parents: Whether to go on in the folders above, to the first that has settings.
            overrides: What wins over all, in the shape of `metaxy.toml`.
            environment: Variables instead of the process's own.

        Raises:
            ConfigError: Names everything that is wrong, with the place where it was set.
        """
        sources = merged(
            path,
            search_parents=search_parents,
            overrides=overrides or {},
            environment=os.environ if environment is None else environment,
        )
        values = nested(sources.entries)
        _refuse([*sources.faults, *_faults(values, sources.entries)])
        config = cls.model_validate(values)
        config._remember(sources)  # noqa: SLF001  a new object of this very class
        return config

    def _remember(self, sources: Merged) -> None:
        self._entries, self._files, self._folder = sources.entries, sources.files, sources.folder

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were read, the weaker first; none for defaults and plain values."""
        return self._files

    @property
    def folder(self) -> Path:
        """The folder of the files; where there are none, the current one of when it was made."""
        return self._folder

    def source(self, *path: str) -> str:
        """Tell who set a setting, e.g. `source("stores", "dev", "type")`: "metaxy.toml, line 4"."""
        return str(origin_of(path, self._entries))

    def explain(self) -> tuple[ConfigValue, ...]:
        """Give every setting with its source, also those that nobody set; credentials as `***`."""
        values = {name: _plain(getattr(self, name)) for name in type(self).model_fields}
        return tuple(
            ConfigValue(dotted(path), shown(value, path), self.source(*path))
            for path, value in flatten(values)
        )

    def named_store(self, name: str | None = None) -> NamedStore:
        """Give a store's settings, by default those of `store`.

        Raises:
            ConfigError: There is none of that name.
        """
        name = self.store if name is None else name
        if name not in self.stores:
            message = no_store(name, self.stores)
            raise ConfigError(message[0].upper() + message[1:], setting=f"stores.{name}")
        return self.stores[name]

    def options(self, name: str | None = None) -> dict[str, object]:
        """Give a store's options, with what holds for every store where it has none of its own.

        `fallback_stores` is in only where it is not empty: as names of stores.
        """
        name = self.store if name is None else name
        own = self.named_store(name).config
        common: dict[str, object] = {
            "hash_algorithm": self.hash_algorithm,
            "hash_truncation_length": self.hash_truncation_length,
            "auto_create_tables": self.auto_create_tables,
        }
        if name == self.store:
            others = [other for other in self.fallback_stores if other != name]
            common["fallback_stores"] = others or None
        return {key: value for key, value in common.items() if value is not None} | own

    def option_error(
        self, name: str, error: ValidationError, model: type[BaseModel]
    ) -> ConfigError:
        """Give the error to raise when a store's options don't fit the model of its kind."""
        prefix = ("stores", name, "config")
        own = self.named_store(name).config
        faults = [
            Fault(self._common_origin(fault.path[-1]), fault.path[-1:], fault.message)
            if fault.path[-1] not in own and fault.path[-1] in type(self).model_fields
            else fault
            for fault in schema_faults(error, model, entries=self._entries, prefix=prefix)
        ]
        return _error(faults)

    def _common_origin(self, setting: str) -> tree.Origin:
        return origin_of((setting,), self._entries)

    @classmethod
    def get(cls) -> "MetaxyConfig":
        """Give the settings in force.

        They are those of the innermost `with config.use():` around the call, else those that
        `set` was given, else what `load()` finds now.
        """
        return cls._used.get() or MetaxyConfig._set or MetaxyConfig.load()

    @classmethod
    def set(cls, config: "MetaxyConfig") -> None:
        """Put settings in force for the whole process, in all of its threads."""
        MetaxyConfig._set = config

    @classmethod
    def reset(cls) -> None:
        """Take back what `set` did."""
        MetaxyConfig._set = None

    @contextmanager
    def use(self) -> Generator[Self]:
        """Put these settings in force inside the block, for this thread or task alone."""
        token = MetaxyConfig._used.set(self)
        try:
            yield self
        finally:
            MetaxyConfig._used.reset(token)


def _plain(value: object) -> object:
    """Give models as tables, so that all settings have one shape."""
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if tree.is_table(value):
        return {key: _plain(inner) for key, inner in value.items()}
    if tree.is_list(value):
        return [_plain(item) for item in value]
    return value


def _faults(values: Mapping[str, object], entries: tree.Entries) -> list[Fault]:
    faults = list(reference_faults(values, entries))
    try:
        _Settings.model_validate(values)
    except ValidationError as error:
        faults += schema_faults(error, _Settings, entries=entries)
    return faults


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise _error(faults)


def _error(faults: list[Fault]) -> ConfigError:
    """Make one error of all faults, sorted by where they are to be mended."""
    ordered = sorted(
        faults, key=lambda fault: (fault.origin.name, fault.origin.line or 0, fault.path)
    )
    setting = dotted(ordered[0].path) if len(ordered) == 1 else None
    return ConfigError(
        itemised("The configuration is wrong", [str(fault) for fault in ordered]), setting=setting
    )
