"""Secrets: used by the program, read by nobody."""

import pickle

import pytest

from nborch import secrets
from nborch.parameters import shown
from nborch.secrets import MASK, Secret, hide, holds_secret, redacted


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch):
    """Hide nothing that another test has hidden."""
    monkeypatch.setattr(secrets, "_hidden", secrets._Hidden())


def test_not_shown():
    """However a secret is turned into text, it does not show."""
    secret = Secret("hush-hush")

    told = f"{secret} {secret!r} {secret!s} {[secret]} {shown({'a': secret})}"

    assert "hush" not in told
    assert MASK in told
    assert secret.reveal() == "hush-hush"


def test_origin_is_shown():
    """Where a secret came from may be known."""
    secret = Secret("hush-hush", "${env:TOKEN}")

    assert f"{secret} {secret!r}" == "${env:TOKEN} Secret('${env:TOKEN}')"


def test_of_a_secret():
    """A secret of a secret is the same secret."""
    secret = Secret(Secret("hush-hush", "${env:TOKEN}"))

    assert secret.reveal() == "hush-hush"
    assert secret.origin == "${env:TOKEN}"
    assert secret == Secret("hush-hush")
    assert secret != "hush-hush"
    assert len({secret, Secret("hush-hush")}) == 1


def test_pickled():
    """In another process it is still a secret, and masked there."""
    packed = pickle.dumps(Secret("hush-hush", "o"))
    secrets._hidden = secrets._Hidden()

    found = pickle.loads(packed)

    assert (found.reveal(), found.origin) == ("hush-hush", "o")
    assert redacted("hush-hush") == MASK


def test_redacted():
    """Its text is masked wherever it stands, at any depth, also as a repr shows it."""
    Secret({"key": ["se\ncret", b"in-bytes"]})

    found = redacted(
        {"se\ncret": ["a se\ncret b", ("in-bytes", 1, None)], "r": repr("se\ncret")}
    )

    assert found == {MASK: [f"a {MASK} b", (MASK, 1, None)], "r": f"'{MASK}'"}


def test_the_longest_is_masked_whole():
    """Of two secrets that begin alike the longer one leaves nothing behind."""
    hide("abcd", "abcdefgh")

    assert redacted("x abcdefgh abcd y") == f"x {MASK} {MASK} y"


def test_short_texts():
    """Texts of a few characters are not looked for: they stand everywhere."""
    Secret("a")

    assert redacted("a banana") == "a banana"
    assert not holds_secret(b"a banana")


def test_bytes():
    """Bytes with the text of a secret in them are known."""
    assert not holds_secret(b"hush-hush")

    Secret("hush-hush")

    assert holds_secret(b"", memoryview(b"a hush-hush b"))
    assert not holds_secret(b"a hush b")


def test_secrets_of_pydantic():
    """Pydantic's secrets are texts to hide, too."""
    from pydantic import SecretStr

    Secret(SecretStr("hush-hush"))

    assert redacted("hush-hush") == MASK
