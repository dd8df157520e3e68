"""Talking to a server by HTTP: one connection, opened again when it is lost."""

import http.client
import json
import re
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from nborch import __version__
from nborch.exceptions import ServerError

__all__ = ["Conversation"]

#: Seconds that an answer may take.
PATIENCE = 60.0
#: Bytes that one may have; a page of the largest list has far less.
MOST = 200_000_000
_FRONT_PAGE = re.compile(r"/(login)?$")


class Conversation:
    """Asks a server questions, one at a time.

    Parameters
    ----------
    url
        Where it is; the address with a token in it will do.
    token
        What it lets one in by, if it is not in the address.

    Raises
    ------
    ServerError
        That is no address.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url.strip())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ServerError(
                f"{_without_query(url)!r} is no address of a server. Write it like "
                "http://127.0.0.1:4200, in NBORCH_API_URL."
            )
        self._parts = parts
        self._root = _FRONT_PAGE.sub("", parts.path)
        self._token = token or next(iter(parse_qs(parts.query).get("token", [])), None)
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self._root}"
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    def ask(
        self,
        method: str,
        path: str,
        ids: tuple[str, ...] = (),
        *,
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
    ) -> tuple[int, bytes]:
        """Return the status and the content of an answer.

        Parameters
        ----------
        path
            Below ``api/``; the ids take the places of what stands in braces.

        Raises
        ------
        ServerError
            There is none.
        """
        left = list(ids)
        filled = re.sub(r"\{\w+\}", lambda _: quote(left.pop(0), safe=""), path)
        asked = urlencode([*_pairs(query)])
        target = f"{self._root}/api/{filled}" + (f"?{asked}" if asked else "")
        content = None if body is None else json.dumps(body).encode()
        try:
            with self._lock:
                return self._answer(method, target, content)
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(
                f"The server at {self.url} cannot be reached: {_told(error)}. Start it "
                "with `nborch server start`, or correct NBORCH_API_URL."
            ) from error

    def _answer(
        self, method: str, target: str, content: bytes | None
    ) -> tuple[int, bytes]:
        was_open = self._connection is not None
        try:
            return self._exchange(method, target, content)
        except (ConnectionError, http.client.RemoteDisconnected):
            self._close()
            # NB. A server that ends a quiet connection has done nothing of what was
            # sent meanwhile. But of a new one nobody knows: what changes something is
            # not asked for twice.
            if not was_open or method != "GET":
                raise
            return self._exchange(method, target, content)

    def _exchange(
        self, method: str, target: str, content: bytes | None
    ) -> tuple[int, bytes]:
        connection = self._connection = self._connection or self._opened()
        try:
            connection.request(method, target, content, self._headers(content))
            response = connection.getresponse()
            found = response.read(MOST)
        except BaseException:
            self._close()
            raise
        if response.will_close:
            self._close()
        return response.status, found

    def _headers(self, content: bytes | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "User-Agent": f"nborch/{__version__}",
        }
        if content is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _opened(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, port, timeout=PATIENCE, context=context
            )
        return http.client.HTTPConnection(host, port, timeout=PATIENCE)

    def close(self) -> None:
        """End the connection; the next question opens another one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None


def _pairs(query: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what stands behind the question mark, one pair for each of several."""
    pairs = []
    for name, value in query.items():
        several = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _text(each)) for each in several]
    return pairs


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _told(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _without_query(url: str) -> str:
    # NB. A token may be in it.
    return url.partition("?")[0]
