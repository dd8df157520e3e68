"""Marks on arguments, where Prefect has them; see `nborch.annotations`."""

from nborch.annotations import (
    NotSet,
    allow_failure,
    freeze,
    opaque,
    quote,
    unmapped,
)

__all__ = ["NotSet", "allow_failure", "freeze", "opaque", "quote", "unmapped"]
