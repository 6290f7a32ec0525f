"""Where a lake lies, and one set of options for all the libraries that reach it.

A user says once how an object store is reached: in the store's options, in the environment, or in
an AWS profile. delta-rs and Polars read such options alike, fsspec wants others, and each library
looks into the environment in its own way; so what holds is worked out here, with
`storage_options`, and given to all.
"""

import functools
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from metaxy.errors import ConfigError, StoreError, did_you_mean, listed, redact
from metaxy.metadata_store.obstacles import refuse_unlisted, writing_obstacle
from metaxy.metadata_store.paths import TABLE_SUFFIX, absolute_root
from metaxy.metadata_store.storage_options import (
    DELTA_ONLY,
    option_text,
    s3_options,
    s3fs_options,
)
from metaxy.metadata_store.web import SCHEMES, WebFolder, check_web_lake, web_folder
from metaxy.models.keys import SYSTEM_PREFIX

_S3_SCHEMES: Final = ("s3", "s3a")
_OTHER_SCHEMES: Final = frozenset(
    [
        "abfs",
        "abfss",
        "adl",
        "az",
        "azblob",
        "azdls",
        "azure",
        "b2",
        "cos",
        "dbfs",
        "file",
        "fs",
        "gcs",
        "gs",
        "hdfs",
        "hf",
        "lakefs",
        "memory",
        "obs",
        "oss",
        "sftp",
        "swift",
        "tos",
        "uc",
        "viewfs",
        "webdav",
        "webhdfs",
    ]
)
"""What delta-rs 1.6 says that it speaks besides S3; as `opendal+…` it knows some of them, too."""

_LAKE_TABLE: Final = f"{SYSTEM_PREFIX}/lake{TABLE_SUFFIX}/_delta_log/{0:020}.json"
"""What every lake has that anything was written to."""


@dataclass(frozen=True)
class Storage:
    """The place of a lake.

    Attributes:
        root: An absolute path, or a URI without a slash at its end.
        options: What holds, under delta-rs's names; with secrets.
    """

    root: str
    options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @classmethod
    def of(
        cls,
        root_path: str | os.PathLike[str],
        storage_options: Mapping[str, Any] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> "Storage":
        """Work out what holds.

        Explicit options come before the environment's, and those before a profile's; credentials
        are taken from one of the three as a whole.

        Raises:
            ConfigError: An option isn't known, or a profile can't be read.
        """
        root = absolute_root(root_path)
        given = dict(storage_options or {})
        if _scheme(root) in SCHEMES:
            options = {name.lower(): option_text(value) for name, value in given.items()}
            check_web_lake(root, options)
            return cls(root, options)
        if _scheme(root) not in _S3_SCHEMES:
            _check_scheme(root)
            return cls(root, {name: option_text(value) for name, value in given.items()})
        environment = os.environ if environment is None else environment
        return cls(root, s3_options(given, environment))

    @property
    def is_local(self) -> bool:
        """Whether the lake lies in a folder of this machine."""
        return not _scheme(self.root)

    @property
    def is_web(self) -> bool:
        """Whether the lake lies on a plain web server, which it can only be read from."""
        return _scheme(self.root) in SCHEMES

    @functools.cached_property
    def web(self) -> WebFolder:
        """The folder of a lake on a web server."""
        return web_folder(self.root, self.options)

    @property
    def delta_options(self) -> dict[str, str]:
        """The options for delta-rs."""
        return dict(self.options)

    @property
    def polars_options(self) -> dict[str, Any]:
        """The options for Polars' own scans."""
        options: dict[str, Any] = {
            name: value for name, value in self.options.items() if name not in DELTA_ONLY
        }
        if "max_retries" in options:
            options["max_retries"] = int(options["max_retries"])  # delta-rs wants it as a text
        return options

    @functools.cached_property
    def filesystem(self) -> Any:  # noqa: ANN401 -- fsspec has no types
        """The fsspec file system of the lake, for everything that is no commit."""
        fsspec = import_module("fsspec")  # when it is needed: local lakes do without
        scheme = _scheme(self.root)
        if not scheme:
            return fsspec.filesystem("file")
        options = s3fs_options(self.options) if scheme in _S3_SCHEMES else {}
        try:
            return fsspec.filesystem(scheme, use_listings_cache=False, **options)
        except ImportError as error:
            raise ConfigError(
                f"A lake at '{redact(self.root)}' needs a library that isn't installed: {error}. "
                "For S3: pip install 'metaxy-lake[s3]'.",
                setting="root_path",
            ) from error

    def table_paths(self) -> list[str]:
        """The place of everything that looks like the table of a feature, sorted."""
        if self.is_local:
            return sorted(_local_tables(self.root))
        if self.is_web:
            return [f"{self.root}/{path}" for path in sorted(_web_tables(self.web))]
        scheme = _scheme(self.root)
        found: list[str] = []
        folders = [self.root]
        while folders:
            folder = folders.pop()
            for path in self._folders_in(folder):
                name = path.rpartition("/")[2]
                if name.endswith(TABLE_SUFFIX):
                    found.append(f"{scheme}://{path}")
                elif name != SYSTEM_PREFIX:
                    folders.append(f"{scheme}://{path}")
        return sorted(found)

    def _folders_in(self, folder: str) -> list[str]:
        try:
            entries: list[dict[str, Any]] = self.filesystem.ls(folder, detail=True)
        except FileNotFoundError:
            return []
        return [each["name"].rstrip("/") for each in entries if each["type"] == "directory"]

    def check_place(self) -> None:
        """Refuse a folder of this machine that can't be made or written to.

        Raises:
            StoreError: Says what is in the way.
        """
        obstacle = writing_obstacle(self.root) if self.is_local else None
        if obstacle is not None:
            raise StoreError(f"A lake can't be made at '{self.root}': {obstacle}")

    def check_conditional_puts(self) -> None:
        """Try whether the endpoint refuses to overwrite, which safe commits rest on.

        Two writers that commit at once both put the same new file, and the store must let only one
        of them. An endpoint that ignores the condition loses commits without a word.

        Raises:
            ConfigError: The endpoint ignores it.
            StoreError: The lake can't be written to.
        """
        if _scheme(self.root) not in _S3_SCHEMES:
            return
        path = f"{self.root}/{SYSTEM_PREFIX}/probe-{uuid.uuid4().hex}"
        try:
            self.filesystem.pipe_file(path, b"1", mode="create")
        except Exception as error:
            raise StoreError(
                f"A lake can't be made at '{redact(self.root)}': {redact(str(error))}"
            ) from error
        try:
            self.filesystem.pipe_file(path, b"2", mode="create")
        except OSError as error:
            if not _is_refusal(error):
                raise StoreError(
                    f"Whether '{redact(self.root)}' is safe for a lake can't be told: "
                    f"{redact(str(error))}. Try again."
                ) from error
        else:
            raise ConfigError(
                f"The object store at '{redact(self.options.get('aws_endpoint_url', 'S3'))}' "
                "overwrites files that it was told not to overwrite (it ignores If-None-Match). "
                "Two writers at once would lose commits without a word, so no lake is made there. "
                "Use a server with conditional puts (Amazon S3, Ceph from 16, MinIO) or a local "
                "lake.",
                setting="storage_options",
            )
        finally:
            # One who may write need not be allowed to remove; a probe that stays does no harm.
            with suppress(OSError):
                self.filesystem.rm_file(path)


def _check_scheme(root: str) -> None:
    """Refuse a scheme that no library reads: else the lake would look like an empty one."""
    scheme = _scheme(root)
    if scheme and scheme.removeprefix("opendal+") not in {*_OTHER_SCHEMES, *_S3_SCHEMES}:
        known = sorted({*_OTHER_SCHEMES, *_S3_SCHEMES, *SCHEMES})
        raise ConfigError(
            f"root_path is '{redact(root)}', and nothing reads '{scheme}://'."
            f"{did_you_mean(scheme, known)} Known are {listed(known)}; a path without a scheme is "
            "a folder.",
            setting="root_path",
        )


def _scheme(root: str) -> str:
    return root.partition("://")[0].lower() if "://" in root else ""


def _local_tables(root: str) -> list[str]:
    found: list[str] = []
    for folder, names, _ in os.walk(root, onerror=refuse_unlisted):
        found += [f"{folder}/{name}" for name in names if name.endswith(TABLE_SUFFIX)]
        # What lies inside a table is Delta's business, and system tables are no features.
        names[:] = [
            name for name in names if not name.endswith(TABLE_SUFFIX) and name != SYSTEM_PREFIX
        ]
    return found


def _web_tables(web: WebFolder) -> list[str]:
    """The paths of tables in a lake on a web server, from the pages that list its folders.

    Raises:
        StoreError: The server lists no folders.
    """
    found: list[str] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        names = web.names(folder)
        if names is None if folder else not names and web.has(_LAKE_TABLE):
            raise StoreError(
                f"Which features are in '{redact(web.url)}' can't be told: the web server has no "
                f"page that lists the folder '{folder or '.'}'. Turn that on ('autoindex on' in "
                "nginx, 'Options +Indexes' in Apache, 'file_server browse' in Caddy), or ask for "
                "features by name."
            )
        for name in names or ():
            path = f"{folder}/{name.rstrip('/')}".lstrip("/")
            if path.endswith(TABLE_SUFFIX):
                found.append(path)
            elif name.endswith("/") and path != SYSTEM_PREFIX:
                folders.append(path)
    return found


def _is_refusal(error: OSError) -> bool:
    """Whether a put was refused because the file is there (HTTP 412)."""
    if isinstance(error, FileExistsError):
        return True
    response: Mapping[str, Any] = getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code") == "PreconditionFailed"
