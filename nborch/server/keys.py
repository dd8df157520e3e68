"""Keys: a token or a password lets people in, and a cookie stands for it then."""

import base64
import hashlib
import hmac
import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nborch.exceptions import StoreError

__all__ = ["SESSION_SECONDS", "Keys", "kept_token", "new_token"]

#: For so long a browser that came in once may come again.
SESSION_SECONDS = 30 * 86_400

#: Attempts at a password: so many at once, and then one in so many seconds.
ATTEMPTS, ATTEMPT_SECONDS = 5, 2.0

#: What a session begins with, by what it is for.
_ALL, _LOOKS = "1", "look"

#: What stands in the file of a token at most; it has 43 characters.
_LONGEST = 200


class Keys:
    """Tell friends from strangers.

    A session, which is what a browser's cookie holds, is signed with the token and the
    password: to change one of them ends all sessions.

    >>> keys = Keys("s3cret")
    >>> session = keys.session()
    >>> keys.is_session(session), keys.is_session(session + "x")
    (True, False)

    There is another token that follows from the first, for who is to look only:

    >>> keys.only_looks(keys.session(only_looks=True)), keys.only_looks(session)
    (True, False)

    Parameters
    ----------
    password
        Opens as well, to who types it.
    """

    def __init__(
        self,
        token: str,
        password: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.token = token
        self._password = password or None
        self._clock = clock
        secret = f"{len(token)}:{token}{password or ''}".encode()
        self._key = hashlib.sha256(b"nborch session\n" + secret).digest()
        #: Lets people look, and change nothing.
        self.looking_token = _looking_token(token)
        self._attempts, self._since = float(ATTEMPTS), clock()

    @property
    def has_password(self) -> bool:
        """Whether there is a password."""
        return self._password is not None

    def is_token(self, text: str) -> bool:
        """Tell whether a text is the token, in the same time whatever it is."""
        return _is_same(text, self.token)

    def is_looking_token(self, text: str) -> bool:
        """Tell whether a text is the token of who may look only."""
        return _is_same(text, self.looking_token)

    def opens(self, text: str) -> bool:
        """Tell whether what somebody typed is the token or the password."""
        is_token = self.is_token(text)
        is_password = _is_same(text, self._password or self.token)
        return is_token or (self.has_password and is_password)

    def may_try(self) -> bool:
        """Tell whether another attempt may be made now, and count it."""
        now = self._clock()
        earned = (now - self._since) / ATTEMPT_SECONDS
        self._attempts = min(float(ATTEMPTS), self._attempts + max(earned, 0.0))
        self._since = now
        if self._attempts < 1:
            return False
        self._attempts -= 1
        return True

    def session(self, *, only_looks: bool = False) -> str:
        """Return what the cookie of a browser is to hold from now on."""
        kind = _LOOKS if only_looks else _ALL
        facts = f"{kind}.{int(self._clock()) + SESSION_SECONDS}.{secrets.token_hex(8)}"
        return f"{facts}.{self._sign('session', facts)}"

    def is_session(self, text: str) -> bool:
        """Tell whether a cookie holds a session that goes on."""
        facts, _, mark = text.rpartition(".")
        if not _is_same(mark, self._sign("session", facts)):
            return False
        _, until, _ = facts.split(".")
        return self._clock() < int(until)

    def only_looks(self, session: str) -> bool:
        """Tell whether a session, one that goes on, may change nothing."""
        return session.partition(".")[0] != _ALL

    def xsrf(self, session: str) -> str:
        """Return what a page of a session sends along with each change."""
        return self._sign("xsrf", session)

    def is_xsrf(self, session: str, text: str) -> bool:
        """Tell whether a change comes from a page of the session."""
        return _is_same(text, self.xsrf(session))

    def _sign(self, purpose: str, text: str) -> str:
        told = f"{purpose}\n{text}".encode(errors="surrogateescape")
        return hmac.new(self._key, told, hashlib.sha256).hexdigest()


def _is_same(text: str, expected: str) -> bool:
    # NB. Of digests: the length of what is expected does not show either.
    one, other = (
        hashlib.sha256(each.encode(errors="surrogateescape")).digest()
        for each in (text, expected)
    )
    return hmac.compare_digest(one, other)


def _looking_token(token: str) -> str:
    # NB. Nobody finds the way back from it.
    told = hashlib.sha256(b"nborch looks\n" + token.encode()).digest()
    return f"look-{base64.urlsafe_b64encode(told).decode().rstrip('=')}"


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(32)


def kept_token(path: Path, *, anew: bool = False) -> str:
    """Return the token that stands in a file, which is made if it is not there.

    Parameters
    ----------
    anew
        Make another one: whoever came in with the one before has to come again.

    Raises
    ------
    StoreError
        Somebody else could read the file or has made it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if anew:
            path.unlink(missing_ok=True)
        with suppress(FileExistsError):
            _make(path, new_token())
        return _read(path)
    except OSError as error:
        raise StoreError(
            f"The token in {str(path)!r} cannot be read: {error.strerror}. "
            "Remove the file, and a new one is made."
        ) from error


def _make(path: Path, token: str) -> None:
    """Make the file, as a whole or not at all; one that is there is left alone."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(file, "w") as opened:
            opened.write(token + "\n")
        # NB. Unlike a rename it takes nobody's place.
        os.link(part, path)
    finally:
        part.unlink()


def _read(path: Path) -> str:
    # NB. Not to wait for who might write into it: it may be a pipe.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file) as opened:
        facts = os.fstat(file)
        is_private = stat.S_ISREG(facts.st_mode) and not facts.st_mode & 0o077
        if not is_private or facts.st_uid != os.geteuid():
            raise StoreError(
                f"Others than you could read the token in {str(path)!r}, or have made "
                "it. Remove the file, and a new one is made for you alone."
            )
        token = opened.read(_LONGEST).strip()
    if not token:
        raise StoreError(
            f"The file {str(path)!r} is empty. Remove it, and a new token is made."
        )
    return token
