"""What errors are called between a server and who asks it, in both directions.

Only the errors in this table travel: a name that a server tells is never looked up
anywhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nborch.exceptions import (
    AlreadyExists,
    InvalidDeclaration,
    InvalidSchedule,
    MissingResult,
    NborchError,
    NotFound,
    ParameterBindError,
    ParameterTypeError,
    ServerError,
    StoreError,
    UnfinishedRun,
)

__all__ = ["Fault", "error_of", "fault_of"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error is called in an answer, with the status of HTTP that it has.

    Parameters
    ----------
    more
        Further members of the answer.
    """

    status: int
    slug: str
    more: Mapping[str, Any] = field(default_factory=dict)


#: The first one that an error is of; each slug stands for the first with it.
_FAULTS: tuple[tuple[type[NborchError], int, str], ...] = (
    (NotFound, 404, "not-found"),
    (MissingResult, 404, "missing-result"),
    (ParameterTypeError, 422, "invalid-parameters"),
    (ParameterBindError, 422, "unknown-parameters"),
    (AlreadyExists, 409, "already-exists"),
    (UnfinishedRun, 409, "unfinished-run"),
    (InvalidSchedule, 422, "invalid-schedule"),
    (InvalidDeclaration, 422, "invalid"),
    (StoreError, 503, "store-unavailable"),
    (ServerError, 409, "not-possible-here"),
)


def fault_of(error: BaseException) -> Fault | None:
    """Return what an error is called; None if it is none that is told of.

    >>> fault_of(NotFound("No run is called 'x'.")).slug
    'not-found'
    """
    for kind, status, slug in _FAULTS:
        if isinstance(error, kind):
            errors = getattr(error, "by_name", None)
            told = [{"name": n, "detail": text} for n, text in (errors or {}).items()]
            return Fault(status, slug, {"errors": told} if told else {})
    return None


def error_of(problem: Mapping[str, Any]) -> NborchError:
    """Return the error that a server has told of.

    >>> error_of({"type": "urn:nborch:not-found", "detail": "No run is called 'x'."})
    NotFound("No run is called 'x'.")
    """
    slug = str(problem.get("type", "")).removeprefix("urn:nborch:")
    detail = str(problem.get("detail") or problem.get("title") or "")
    for kind, _, name in _FAULTS:
        if name == slug:
            return kind(detail)
    return ServerError(detail or "The server has refused what it was asked for.")
