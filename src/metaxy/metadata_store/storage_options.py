"""What holds for an object store: options given, those of the environment, and a profile's.

Options are named as delta-rs names them. Of what is read with them nothing is known here.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from metaxy.errors import ConfigError, did_you_mean, listed

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
DELTA_ONLY: Final = frozenset({"aws_conditional_put"})
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


def s3_options(given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """The options of an S3 lake, with what the environment or a profile adds to those given.

    Raises:
        ConfigError: An option isn't known, or a profile can't be read.
    """
    options = _named(given)
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


def s3fs_options(options: Mapping[str, str]) -> dict[str, Any]:
    """What `s3_options` has given, as s3fs takes it."""
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


def option_text(value: object) -> str:
    """The value of an option as all libraries take it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


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
            named[full] = option_text(value)
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
