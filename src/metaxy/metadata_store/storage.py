"""Where a lake lies, and one set of options for all the libraries that reach it.

A user says once how an object store is reached: in the store's options, in the environment, or in
an AWS profile. delta-rs and Polars read such options alike, fsspec wants others, and each library
looks into the environment in its own way; so what holds is worked out here and given to all.
"""

import functools
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from metaxy.errors import ConfigError, StoreError, did_you_mean, listed, redact
from metaxy.metadata_store.paths import TABLE_SUFFIX, absolute_root
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

_ALIASES: Final = {
    "key": "aws_access_key_id",
    "access_key": "aws_access_key_id",
    "secret": "aws_secret_access_key",
    "secret_key": "aws_secret_access_key",
    "token": "aws_session_token",
    "endpoint": "aws_endpoint_url",
    "aws_endpoint": "aws_endpoint_url",
    "aws_default_region": "aws_region",
    "region_name": "aws_region",
    "anon": "aws_skip_signature",
    "anonymous": "aws_skip_signature",
}
"""Other names for options; those of s3fs among them."""

_S3_OPTIONS: Final = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_endpoint_url",
        "aws_region",
        "aws_profile",
        "aws_skip_signature",
        "aws_allow_http",
        "aws_virtual_hosted_style_request",
        "aws_conditional_put",
        "aws_unsigned_payload",
        "aws_checksum_algorithm",
        "aws_request_payer",
        "aws_server_side_encryption",
        "aws_sse_kms_key_id",
        "aws_sse_bucket_key_enabled",
    }
)
_CLIENT_OPTIONS: Final = frozenset(
    {
        "timeout",
        "connect_timeout",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "retry_timeout",
        "max_retries",
        "backoff_config.init_backoff",
        "backoff_config.max_backoff",
        "backoff_config.base",
        "proxy_url",
        "proxy_ca_certificate",
        "allow_invalid_certificates",
        "user_agent",
    }
)
_DELTA_ONLY: Final = frozenset({"aws_conditional_put"})
"""What Polars has no use for; it only reads."""

_PATIENCE: Final = {"connect_timeout": "5s", "timeout": "30s", "retry_timeout": "60s"}
"""Unless the user says otherwise; an object store that doesn't answer is told within a minute."""

_ENVIRONMENT: Final = {
    "aws_endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "aws_allow_http": ("AWS_ALLOW_HTTP",),
}
_KEYS_IN_ENVIRONMENT: Final = {
    "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
    "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "aws_session_token": ("AWS_SESSION_TOKEN",),
}


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
            options = {name.lower(): _text(value) for name, value in given.items()}
            check_web_lake(root, options)
            return cls(root, options)
        if _scheme(root) not in _S3_SCHEMES:
            _check_scheme(root)
            return cls(root, {name: _text(value) for name, value in given.items()})
        environment = os.environ if environment is None else environment
        return cls(root, _s3_options(_named(given), environment))

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
            name: value for name, value in self.options.items() if name not in _DELTA_ONLY
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
        options = _s3fs_options(self.options) if scheme in _S3_SCHEMES else {}
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
    for folder, names, _ in os.walk(root):
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


def _named(given: Mapping[str, Any]) -> dict[str, str]:
    """The options under delta-rs's names.

    Raises:
        ConfigError: There is no such option; object stores would ignore it silently.
    """
    known = _S3_OPTIONS | _CLIENT_OPTIONS
    named: dict[str, str] = {}
    unknown: list[str] = []
    for name, value in given.items():
        lower = name.lower()
        lower = _ALIASES.get(lower, lower)
        full = lower if lower in known else f"aws_{lower}"
        if full in known:
            named[full] = _text(value)
        else:
            unknown.append(name)
    if unknown:
        raise ConfigError(
            f"storage_options has {listed(sorted(unknown))}, which no S3 lake knows."
            f"{did_you_mean(unknown[0].lower(), known)}",
            setting="storage_options",
        )
    _check_values(named)
    return named


def _check_values(options: Mapping[str, str]) -> None:
    if options.get("aws_conditional_put", "etag") != "etag":
        raise ConfigError(
            f"storage_options has aws_conditional_put={options['aws_conditional_put']!r}: two "
            "writers at once would lose commits without a word. Leave it out.",
            setting="storage_options",
        )
    if not options.get("max_retries", "0").isdecimal():
        raise ConfigError(
            f"storage_options has max_retries={options['max_retries']!r}; it is a number.",
            setting="storage_options",
        )


def _s3_options(given: dict[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Options with what the environment or a profile adds to them."""
    options = dict(given)
    for name, variables in _ENVIRONMENT.items():
        _add_first(options, name, [environment.get(each) for each in variables])
    anonymous = options.get("aws_skip_signature", "").lower() == "true"
    profile = options.pop("aws_profile", None)
    if not anonymous and "aws_access_key_id" not in options:
        in_environment = "AWS_ACCESS_KEY_ID" in environment
        if profile is None and in_environment:
            for name, variables in _KEYS_IN_ENVIRONMENT.items():
                _add_first(options, name, [environment.get(each) for each in variables])
        elif profile is not None or "AWS_PROFILE" in environment:
            options = _of_profile(profile or environment["AWS_PROFILE"]) | options
        elif environment.get("AWS_SKIP_SIGNATURE", "").lower() == "true":
            options["aws_skip_signature"] = "true"
    if "aws_access_key_id" in options:
        # A variable of that name would turn signing off all the same.
        options["aws_skip_signature"] = "false"
    if options.get("aws_endpoint_url", "").startswith("http://"):
        options.setdefault("aws_allow_http", "true")
    # A variable could turn conditional puts off.
    return _PATIENCE | options | {"aws_conditional_put": "etag"}


def _add_first(options: dict[str, str], name: str, values: Sequence[str | None]) -> None:
    value = next((each for each in values if each), None)
    if name not in options and value is not None:
        options[name] = value


def _of_profile(profile: str) -> dict[str, str]:
    """Credentials, region and endpoint of an AWS profile, which delta-rs can't read itself."""
    try:
        session_module = import_module("botocore.session")
        exceptions = import_module("botocore.exceptions")
    except ImportError as error:
        raise ConfigError(
            f"The AWS profile {profile!r} can't be read without botocore: "
            "pip install 'metaxy-lake[s3]', or give the keys themselves.",
            setting="storage_options",
        ) from error
    try:
        session = session_module.Session(profile=profile)
        credentials = session.get_credentials()
        settings: Mapping[str, str] = session.get_scoped_config()
    except exceptions.BotoCoreError as error:
        raise ConfigError(
            f"The AWS profile {profile!r} can't be read: {error}.", setting="storage_options"
        ) from error
    found: dict[str, str | None] = {
        "aws_region": settings.get("region"),
        "aws_endpoint_url": settings.get("endpoint_url"),
    }
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        found |= {
            "aws_access_key_id": frozen.access_key,
            "aws_secret_access_key": frozen.secret_key,
            "aws_session_token": frozen.token,
        }
    return {name: value for name, value in found.items() if value is not None}


def _s3fs_options(options: Mapping[str, str]) -> dict[str, Any]:
    """The same for s3fs."""
    region = options.get("aws_region")
    return {
        "key": options.get("aws_access_key_id"),
        "secret": options.get("aws_secret_access_key"),
        "token": options.get("aws_session_token"),
        "endpoint_url": options.get("aws_endpoint_url"),
        "anon": options.get("aws_skip_signature", "").lower() == "true",
        "client_kwargs": {} if region is None else {"region_name": region},
        "config_kwargs": {"connect_timeout": 5, "read_timeout": 30},
    }


def _is_refusal(error: OSError) -> bool:
    """Whether a put was refused because the file is there (HTTP 412)."""
    if isinstance(error, FileExistsError):
        return True
    response: Mapping[str, Any] = getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code") == "PreconditionFailed"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
