"""No credential gets through `redact`, and nothing else is lost in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaxy.errors import MetaxyError, StoreError, redact


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("s3://KEY:SECRET@bucket/lake", "s3://***@bucket/lake"),
        ("s3://KEY:SEC/RET+x=@bucket/lake", "s3://***@bucket/lake"),
        ("https://token@host/path", "https://***@host/path"),
        ("postgres://me:p@ss@host:5432/db", "postgres://***@host:5432/db"),
        ("https://host/x?sig=abc&b=1", "https://host/x?sig=***&b=1"),
        ("https://host/x?a=1&X-Amz-Signature=abc", "https://host/x?a=1&X-Amz-Signature=***"),
        ("{'aws_secret_access_key': 'abc', 'a': 1}", "{'aws_secret_access_key': ***, 'a': 1}"),
        ("AWS_SESSION_TOKEN=abc region=eu", "AWS_SESSION_TOKEN=*** region=eu"),
        ("password: hunter2", "password: ***"),
    ],
)
def test_credentials_are_masked(text: str, redacted: str) -> None:
    """The user part of a URI, secret query parameters and secret options become `***`."""
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/lake/video@v1.delta",
        "http://localhost:9000/bucket/a@b",
        "abfss://container@account.dfs.core.windows.net/lake",
        "'video/faces' needs the column 'token'",
        "token = 'the'",
        "key='a'",
        "C:\\lake, /tmp/lake and me@example.org",
    ],
)
def test_other_text_stays(text: str) -> None:
    """A path with an at sign, a port, a container, or a column called token are no secrets."""
    assert redact(text) == text


@given(
    st.text("abcXYZ019+/=._-", min_size=8), st.sampled_from(["s3", "https", "gs", "abfss", "az"])
)
def test_a_password_of_any_alphabet_is_masked(password: str, scheme: str) -> None:
    """What stands between user and host never shows, whatever a secret key is made of."""
    secret = f"p4ssw0rd{password}"

    assert "p4ssw0rd" not in redact(f"cannot open {scheme}://user:{secret}@bucket/lake: denied")


def test_an_error_masks_its_message_and_its_store() -> None:
    """Errors redact by themselves, so that a careless caller leaks nothing."""
    error = StoreError("s3://a:secret@b is gone", store="Delta(s3://a:secret@b)")

    assert str(error) == "s3://***@b is gone"
    assert error.store == "Delta(s3://***@b)"
    assert "secret" not in repr(error)
    assert isinstance(error, MetaxyError)
