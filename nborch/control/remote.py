"""The control plane of another machine: a server does what is asked for."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from inspect import signature
from typing import Any, cast

from nborch.control.base import Control
from nborch.control.faults import error_of
from nborch.control.routes import ROUTES, Route, route_of
from nborch.control.talking import Conversation
from nborch.control.telling import record_of
from nborch.exceptions import ServerError
from nborch.home import Home
from nborch.runs import RunRecord

__all__ = ["RemoteControl", "remote_control"]


class RemoteControl:
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

    home: Home | None = None
    pause = 0.5
    at_once = 200

    def __init__(self, url: str, token: str | None = None) -> None:
        self._conversation = Conversation(url, token)
        self.where = self._conversation.url

    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name, as it is stored."""
        return record_of(self.ask(route_of("run_called"), (), {"reference": reference}))

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
        if status == 401:  # noqa: PLR2004  # unauthenticated
            raise ServerError(
                f"The server at {self.where} does not know who asks. Set "
                "NBORCH_API_TOKEN to its token, or NBORCH_API_URL to the whole address "
                "that `nborch server start` has printed."
            )
        if status >= 400:  # noqa: PLR2004  # refused
            raise error_of(answer if isinstance(answer, dict) else {})
        return answer

    def close(self) -> None:
        """End the conversation; the next question begins another one."""
        self._conversation.close()


def _asking(name: str) -> Callable[..., Any]:
    """Return the method that asks a server to call the one of this name."""
    route = route_of(name)
    count = route.path.count("{")
    names = [*signature(getattr(Control, name)).parameters][1 + count :]

    def ask(self: RemoteControl, *given: str, **named: Any) -> Any:
        by_name = dict(zip(names, given[count:], strict=False))
        return self.ask(route, given[:count], by_name | named)

    ask.__name__, ask.__doc__ = name, getattr(Control, name).__doc__
    return ask


for _route in ROUTES:
    setattr(RemoteControl, _route.name, _asking(_route.name))


@cache
def remote_control(url: str, token: str | None = None) -> Control:
    """Return what asks the server at an address, the same each time."""
    # Its methods are made of the table.
    return cast(Control, RemoteControl(url, token))


def _read(content: bytes, url: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise ServerError(
            f"What answers at {url} is no nborch server. Set NBORCH_API_URL to the "
            "address that `nborch server start` has printed."
        ) from None
