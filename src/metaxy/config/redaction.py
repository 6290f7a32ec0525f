"""What a person may see of a value: everything but credentials."""

import re

from metaxy.config.tree import Path, is_list, is_table
from metaxy.errors import redact

MASK = "***"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {"auth", "authorization", "credential", "credentials", "key", "passphrase", "passwd"}
    | {"password", "pwd", "sas", "secret", "secrets", "signature", "token"}
)
_PUBLIC_VALUES = (bool, type(None))


def is_secret(name: str) -> bool:
    """Tell whether a setting's name promises a credential.

    Goes by whole words, in snake_case, kebab-case and camelCase: `aws_secret_access_key` and
    `accountKey` do, `keyspace` does not. When in doubt it hides: `partition_key` counts as one.
    """
    return any(word.lower() in _SECRET_WORDS for word in _WORDS.findall(name))


def shown(value: object, path: Path = ()) -> object:
    """Give a value with `***` for each credential in it.

    Args:
        value: Text, numbers, lists and tables of them.
        path: The setting's keys; if one of them names a credential, all that is below is hidden.
            A switch is never a credential: `use_token = true` is shown.
    """
    if is_table(value):
        return {key: shown(inner, (*path, key)) for key, inner in value.items()}
    if isinstance(value, _PUBLIC_VALUES):
        return value
    if any(is_secret(part) for part in path):
        return MASK
    if isinstance(value, str):
        return redact(value)
    if is_list(value):
        return [shown(inner, path) for inner in value]
    return value if isinstance(value, (int, float)) else redact(str(value))
