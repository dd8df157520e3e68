"""Which control plane is meant: that of this machine, or a server's."""

import os
from collections.abc import Callable
from typing import Any

from nborch.control.base import Control
from nborch.exceptions import ServerError
from nborch.home import Home, current_home

__all__ = ["API_TOKEN", "API_URL", "current_control", "gathered", "home_here"]

#: The variable with the address of a server, and the one with its token.
API_URL, API_TOKEN = "NBORCH_API_URL", "NBORCH_API_TOKEN"


def current_control() -> Control:
    """Return what sees and changes runs: here, or where ``NBORCH_API_URL`` says.

    The token of that server stands in ``NBORCH_API_TOKEN``, or in the address that
    ``nborch server start`` has printed: ``http://host:4200/login?token=...``.
    """
    url = os.environ.get(API_URL, "").strip()
    if not url:
        # Few programs need it.
        from nborch.control.local import LocalControl

        return LocalControl(current_home())
    from nborch.control.remote import remote_control

    return remote_control(url, os.environ.get(API_TOKEN))


def home_here(control: Control, what: str) -> Home:
    """Return the home that a control plane works on.

    Parameters
    ----------
    what
        What needs it, in words: the beginning of a sentence.

    Raises
    ------
    ServerError
        It is on another machine.
    """
    if control.home is None:
        raise ServerError(
            f"{what} needs the files of the home, and {API_URL} names the server at "
            f"{control.where}. Do it on that machine, without {API_URL}."
        )
    return control.home


def gathered(
    control: Control,
    ask: Callable[..., Any],
    *ids: str,
    most: int | None = None,
    **given: Any,
) -> list[Any]:
    """Return the items of all pages of a list, or so many at most."""
    items: list[Any] = []
    cursor = None
    while most is None or len(items) < most:
        left = (
            control.at_once if most is None else min(control.at_once, most - len(items))
        )
        page = ask(*ids, limit=left, cursor=cursor, **given)
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return items
