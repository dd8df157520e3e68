"""Every error and warning of nborch, in one tree.

::

    NborchError
    ├── InvalidDeclaration (TypeError)      a decorator, magic or setting is wrong
    │   ├── AlreadyExists (ValueError)      what is to be made is there already
    │   ├── ReservedArgumentError           a parameter has a name that nborch needs
    │   └── InvalidSchedule (ValueError)    a schedule has no times, or cannot be read
    ├── ParameterBindError (TypeError)      a call does not fit its signature
    ├── ParameterTypeError (TypeError)      a flow's parameter is not as annotated
    ├── NotFound (LookupError)              a run, notebook or kernel does not exist
    ├── InvalidNotebook (ValueError)        a file is no notebook that can run
    ├── UnknownParameter (TypeError)        a notebook declares no such parameter
    ├── InvalidTransition (RuntimeError)    a run cannot go from this state to that
    ├── UnfinishedRun (RuntimeError)        a result was asked for too early
    ├── FailedRun (RuntimeError)            a run failed with no exception at hand
    ├── CrashedRun (RuntimeError)           a run's process died
    ├── CancelledRun (RuntimeError)         a run was cancelled
    ├── RunTimedOut (TimeoutError)          a run took longer than it was given
    ├── UpstreamTaskError (RuntimeError)    a run failed that another one needs
    ├── MappingError (ValueError)           arguments cannot be mapped over
    │   ├── MappingLengthMismatch           they are of different lengths
    │   └── MappingMissingIterable          none of them is iterable
    ├── CellFailed (RuntimeError)           a cell of a notebook flow raised
    ├── MissingResult (KeyError)            a notebook's run has no such value
    ├── Unfingerprintable (TypeError)       a value has no content to compare
    ├── Unsendable (TypeError)              a value cannot go to another process
    ├── StoreError (RuntimeError)           the run store cannot be used
    ├── ServerError (ConnectionError)       a server cannot be asked, or refuses
    ├── ConcurrencySlotAcquisitionError (RuntimeError)       slots cannot be had
    │   └── AcquireConcurrencySlotTimeoutError (TimeoutError)  none came free in time
    ├── FlowVisualizationError (RuntimeError)  a flow cannot be visualized
    │   └── VisualizationUnsupportedError (TypeError)  it needs a task's result
    └── MissingContextError (RuntimeError)  something needs a current run

    NborchWarning (UserWarning)
    ├── CacheWarning                        a result was not kept or not reused
    └── LimitWarning                        a concurrency limit did not limit

Each error also is the builtin that a newcomer would catch. `StoppedEarly`, which
`nborch.stop` raises, is no error, and neither is `CancelRequested`.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from nborch.frames import rendered

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "AlreadyExists",
    "CacheWarning",
    "CancelRequested",
    "CancelledRun",
    "CellFailed",
    "ConcurrencySlotAcquisitionError",
    "CrashedRun",
    "FailedRun",
    "FlowVisualizationError",
    "InvalidDeclaration",
    "InvalidNotebook",
    "InvalidSchedule",
    "InvalidTransition",
    "LimitWarning",
    "MappingError",
    "MappingLengthMismatch",
    "MappingMissingIterable",
    "MissingContextError",
    "MissingResult",
    "NborchError",
    "NborchWarning",
    "NotFound",
    "ObjectNotFound",
    "ParameterBindError",
    "ParameterTypeError",
    "PrefectException",
    "ReservedArgumentError",
    "RunTimedOut",
    "ServerError",
    "StoppedEarly",
    "StoreError",
    "Unfingerprintable",
    "UnfinishedRun",
    "UnknownParameter",
    "Unsendable",
    "UpstreamTaskError",
    "VisualizationUnsupportedError",
    "did_you_mean",
]


class NborchError(Exception):
    """Whatever nborch itself raises."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows, by its own protocol: the user's lines only."""
        return rendered(self)


class InvalidDeclaration(NborchError, TypeError):
    """A decorator, a magic or a setting was given something wrong."""


class AlreadyExists(InvalidDeclaration, ValueError):
    """Something that is to be made under a name is there already."""


class ReservedArgumentError(InvalidDeclaration):
    """A function's parameter has a name that nborch uses itself."""


class InvalidSchedule(InvalidDeclaration, ValueError):
    """A cron expression, an interval or another schedule cannot be what it says."""


class ParameterBindError(NborchError, TypeError):
    """The arguments of a call do not fit the function's signature.

    Attributes
    ----------
    by_name
        What is wrong, by parameter, as far as it is told so.
    """

    by_name: Mapping[str, str] = MappingProxyType({})


class ParameterTypeError(NborchError, TypeError, ValueError):
    """A flow's parameter is not what its annotation asks for.

    Attributes
    ----------
    by_name
        What is wrong, by parameter, as far as it is told so.
    """

    by_name: Mapping[str, str] = MappingProxyType({})


class NotFound(NborchError, LookupError):
    """A run, a notebook, a kernel or another named thing does not exist."""


class InvalidNotebook(NborchError, ValueError):
    """A file is not a notebook that can be run."""


class UnknownParameter(NborchError, TypeError):
    """A parameter was given that the notebook does not declare."""


class InvalidTransition(NborchError, RuntimeError):
    """A run was asked to go to a state that its present state does not lead to."""


class UnfinishedRun(NborchError, RuntimeError):
    """A result was asked for before the run had finished."""


class FailedRun(NborchError, RuntimeError):
    """A run failed and its original exception is not at hand."""


class CrashedRun(NborchError, RuntimeError):
    """The process of a run died before the run had finished."""


class CancelledRun(NborchError, RuntimeError):
    """A run was cancelled."""


class RunTimedOut(NborchError, TimeoutError):
    """An attempt of a run took longer than its ``timeout_seconds``."""


class UpstreamTaskError(NborchError, RuntimeError):
    """A run needs the result of another one, which did not complete."""


class MappingError(NborchError, ValueError):
    """The arguments of ``task.map(...)`` cannot be mapped over."""


class MappingLengthMismatch(MappingError):
    """The iterables given to ``task.map(...)`` are of different lengths."""


class MappingMissingIterable(MappingError):
    """``task.map(...)`` was given nothing to map over."""


class CellFailed(NborchError, RuntimeError):
    """A cell of a notebook flow raised, timed out or lost its kernel."""


class MissingResult(NborchError, KeyError):
    """A notebook's run has no value of that name, or it cannot be loaded."""

    # A KeyError shows its message in quotes.
    __str__ = Exception.__str__


class Unfingerprintable(NborchError, TypeError):
    """A value has no content that could be compared between two runs.

    Parameters
    ----------
    reason
        What it is that cannot be compared, as a phrase: ``"an open file"``.
    path
        Where it stands within the value: ``".rows[3]['lock']"``.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(reason, path)

    def __str__(self) -> str:
        where = f" (at {self.path})" if self.path else ""
        return f"{self.reason}{where}"


class Unsendable(NborchError, TypeError):
    """A function, an argument or a result cannot go from one process to another."""


class StoppedEarly(BaseException):
    """A notebook has asked for its end by `nborch.stop`; no error of anybody's.

    NB. No `Exception`: what a cell does about errors does not concern it.
    """


class CancelRequested(KeyboardInterrupt):
    """Somebody has asked that the run of this process be cancelled.

    It arrives as Ctrl-C does, and passes through what handles errors as Ctrl-C does.
    """


class StoreError(NborchError, RuntimeError):
    """The run store cannot be opened, read or written."""


class ServerError(NborchError, ConnectionError):
    """A server cannot be reached, or does not do what it was asked for."""


class ConcurrencySlotAcquisitionError(NborchError, RuntimeError):
    """The slots of a concurrency limit cannot be had, or were lost while in use."""


class AcquireConcurrencySlotTimeoutError(ConcurrencySlotAcquisitionError, TimeoutError):
    """No slots of a concurrency limit came free in the time that was given."""


class FlowVisualizationError(NborchError, RuntimeError):
    """A flow cannot be visualized."""


class VisualizationUnsupportedError(FlowVisualizationError, TypeError):
    """A flow's code needs to know the result of a task that has not run."""


class MissingContextError(NborchError, RuntimeError):
    """Something was called that needs a current run."""


class NborchWarning(UserWarning):
    """Whatever nborch itself warns of."""


class CacheWarning(NborchWarning):
    """A result could not be kept or reused; the user's value is not affected."""


class LimitWarning(NborchWarning):
    """A concurrency limit did not limit what ran under its name."""


#: Prefect's names.
PrefectException = NborchError
ObjectNotFound = NotFound


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'columns'?`` or nothing, to end a message with.

    >>> did_you_mean("colums", ["columns", "index"])
    " Did you mean 'columns'?"
    >>> did_you_mean("zzz", ["columns", "index"])
    ''
    """
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
