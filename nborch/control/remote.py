"""The control plane of another machine: a server does what is asked for."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from nborch.control.base import Control
from nborch.control.faults import error_of
from nborch.control.routes import ROUTES, Route, route_of
from nborch.control.talking import Conversation
from nborch.exceptions import ServerError

__all__ = ["RemoteControl", "remote_control"]


class RemoteControl(Control):
    """Asks a server, by the routes of `nborch.control.routes`.

    ::

        control = RemoteControl("http://127.0.0.1:4200", token)
        control.runs(state=["FAILED"])["items"]

    Its methods are those of `nborch.control.base.Control`, word for word.

    Parameters
    ----------
    url
        Where the server's first page is.
    token
        What it lets one in by.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._conversation = Conversation(url, token)
        self.where = self._conversation.url

    def ask(self, route: Route, ids: tuple[str, ...], values: Mapping[str, Any]) -> Any:
        """Return what the server answers.

        Raises
        ------
        ServerError
            It cannot be reached, or does not know who asks.
        """
        names = {of_method: name for name, of_method in route.renamed.items()}
        given = {
            names.get(name, name): value
            for name, value in values.items()
            if value is not None or route.method == "PATCH"
        }
        has_body = route.method in {"POST", "PUT", "PATCH"}
        status, content = self._conversation.ask(
            route.method,
            route.path,
            ids,
            query={} if has_body else given,
            body=given if has_body else None,
        )
        if status == 204:  # noqa: PLR2004  # no content
            return None
        answer = _read(content, self.where)
        if status >= 400:  # noqa: PLR2004  # refused
            raise error_of(answer if isinstance(answer, dict) else {})
        return answer

    def close(self) -> None:
        """End the conversation; the next question begins another one."""
        self._conversation.close()


def _asking(name: str) -> Callable[..., Any]:
    """Return the method that asks a server to call the one of this name."""
    route = route_of(name)

    def ask(self: RemoteControl, *ids: str, **values: Any) -> Any:
        return self.ask(route, ids, values)

    ask.__name__, ask.__doc__ = name, getattr(Control, name).__doc__
    return ask


for _route in ROUTES:
    setattr(RemoteControl, _route.name, _asking(_route.name))


@cache
def remote_control(url: str, token: str | None = None) -> RemoteControl:
    """Return what asks the server at an address, the same each time."""
    return RemoteControl(url, token)


def _read(content: bytes, url: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise ServerError(
            f"What answers at {url} is no nborch server. Set NBORCH_API_URL to the "
            "address that `nborch server start` has printed."
        ) from None
