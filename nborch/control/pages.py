"""Pages of lists: each tells where the next one begins."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TypeVar

from nborch.exceptions import InvalidDeclaration

__all__ = ["cut", "page_of", "place_of", "told_place"]

T = TypeVar("T")


def told_place(place: str) -> str:
    """Return the cursor for a place in a list.

    >>> place_of(told_place("report/nightly"))
    'report/nightly'
    """
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> str | None:
    """Return the place that a cursor stands for.

    Raises
    ------
    InvalidDeclaration
        It is none of ours.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = base64.b64decode(padded, b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        place = ""
    if not place or told_place(place) != cursor:
        raise InvalidDeclaration(
            f"{cursor[:80]!r} is no cursor. Take the 'next' of the page before, or "
            "begin without one."
        )
    return place


def cut(
    found: list[T], limit: int, place: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """Return a page of what was found, and its "next"; one more tells that there is."""
    page = found[:limit]
    return page, told_place(place(page[-1])) if len(found) > limit else None


def page_of(
    items: Iterable[T], place: Callable[[T], str], limit: int, cursor: str | None
) -> tuple[list[T], str | None]:
    """Return the page of a whole list after a cursor, and its "next".

    The list is in the order of its places.
    """
    after = place_of(cursor)
    rest = [each for each in items if after is None or place(each) > after]
    return cut(rest, limit, place)
