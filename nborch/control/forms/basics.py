"""What the values of forms are, and what they must keep within."""

from typing import Annotated, Any, Literal

__all__ = ["Bounds", "Count", "Cursor", "Moment", "Name", "StateName", "Text", "Time"]


class Bounds:
    """Keywords of JSON Schema that a type does not say.

    >>> Bounds(minimum=0).keywords
    {'minimum': 0}
    """

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


Text = Annotated[str, Bounds(maxLength=200)]
Name = Annotated[str, Bounds(minLength=1, maxLength=200)]
Time = Annotated[float, "Seconds since 1970."]
#: As far as a `datetime` goes on every machine.
Moment = Annotated[
    float, "Seconds since 1970.", Bounds(minimum=0, maximum=253_370_764_800)
]
Count = Annotated[int, Bounds(minimum=0, maximum=2**31 - 1)]
Cursor = Annotated[str | None, "Ask for the page after this one with it."]
StateName = Literal[
    "SCHEDULED",
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "CRASHED",
    "PAUSED",
    "CANCELLING",
]
