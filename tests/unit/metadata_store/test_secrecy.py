"""Texts of other libraries' errors, as they go into messages."""

from metaxy.metadata_store.secrecy import Secrets

COLOURED = "Kernel error\n  \x1b[31m↳\x1b[0m no key \x1b[1;32mAKIA-1234\x1b[0m\n"


def test_colours_of_a_terminal_are_left_out() -> None:
    """They would be signs without a meaning in a log, and could part a credential."""
    error = OSError(COLOURED)

    assert Secrets(None).told(error) == "Kernel error\n  ↳ no key AKIA-1234\n"
    assert Secrets(None).shown(error) is error


def test_a_credential_between_colours_is_masked() -> None:
    """The error itself is not shown then."""
    secrets = Secrets({"aws_secret_access_key": "AKIA-1234"})

    assert secrets.told(OSError(COLOURED)) == "Kernel error\n  ↳ no key ***\n"
    assert secrets.told(OSError("AKIA\x1b[0m-1234")) == "***"
    assert secrets.shown(OSError(COLOURED)) is None
