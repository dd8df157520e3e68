"""The attempts at a cell: each begins with the names as they were, and ends on time."""

import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.calling import timed_out
from nborch.context import RunContext
from nborch.exceptions import RunTimedOut
from nborch.frames import users_lines_only
from nborch.lifecycle import Hit
from nborch.logs import run_logger
from nborch.notebook.analysis import CellAnalysis
from nborch.notebook.displays.posting import posting
from nborch.notebook.displays.tapping import replaced
from nborch.notebook.effects.namespace import inputs_of, is_shells
from nborch.outlets import Outlet
from nborch.performing import Hands, Performer
from nborch.results import Recall
from nborch.showing import duration
from nborch.states import State
from nborch.view.notices import Notice

__all__ = ["Attempts", "Bindings", "CellPerformer"]

#: The states of a cell that is restored.
_BRIEF = frozenset({"Pending", "Cached"})
#: Characters of an error that are shown between two attempts.
MOST_SHOWN = 200


class Bindings:
    """The names as they were before the first attempt at a cell.

    Parameters
    ----------
    namespace
        The user's names, which attempts change.
    analysis
        What the cell reads.
    known
        The fingerprints of those inputs that have been compared already.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        analysis: CellAnalysis,
        known: Mapping[str, str],
    ) -> None:
        self._namespace = namespace
        self._analysis = analysis
        self._known = known
        self._before: dict[str, Any] | None = None
        self._inputs: dict[str, str] = {}

    def begin(self) -> list[str]:
        """Begin an attempt; return the inputs that an earlier one changed in place.

        What earlier ones bound and deleted is undone. What they changed in place is
        not: nobody has a copy.
        """
        namespace, before = self._namespace, self._before
        if before is None:
            self._before = dict(namespace)
            values = inputs_of(self._analysis, namespace)
            for name, value in values.items():
                told = self._known.get(name) or _told(value)
                if told is not None:
                    self._inputs[name] = told
            return []
        for name in [n for n in namespace if n not in before and not is_shells(n)]:
            del namespace[name]
        for name, value in before.items():
            if not is_shells(name) and namespace.get(name, self) is not value:
                namespace[name] = value
        return [n for n, told in self._inputs.items() if _told(before[n]) != told]


def _told(value: Any) -> str | None:
    """Return the fingerprint of a value, or None if it has none."""
    try:
        return fingerprint(value)
    except Exception:  # noqa: BLE001  # the cell must run all the same
        return None


class Attempts:
    """Run the body of a cell, once or again.

    Parameters
    ----------
    context
        The run, whose spec says how long an attempt may take.
    bindings
        The names to begin with, if there may be more than one attempt.
    tell
        Called with the inputs that one attempt has changed in place for the next.
    keeps_prints
        Whether what is printed is to be kept in the run's log.
    """

    def __init__(
        self,
        context: RunContext,
        bindings: Bindings | None,
        tell: Callable[[list[str]], object],
        *,
        keeps_prints: bool = False,
    ) -> None:
        self._context = context
        self._bindings = bindings
        self._tell = tell
        self._keeps_prints = keeps_prints
        #: What ended the last attempt.
        self.error: BaseException | None = None

    def run(self, execute: Callable[[], Any]) -> Any:
        """Make an attempt."""
        seconds = self._context.spec.timeout
        with self._attempt():
            if seconds is None:
                return execute()
            from nborch.timeouts import limited

            return limited(execute, seconds, timed_out("Task run", seconds))

    async def run_async(self, execute: Callable[[], Awaitable[Any]]) -> Any:
        """Make an attempt at a body that awaits."""
        seconds = self._context.spec.timeout
        with self._attempt():
            if seconds is None:
                return await execute()
            from nborch.timeouts import limited_async

            error = timed_out("Task run", seconds)
            try:
                return await limited_async(execute, seconds, error)
            except RunTimedOut as late:
                if late is not error:
                    raise
                # That it was cancelled is how it was ended. Where tells the user more.
                raise error.with_traceback(_where(error)) from None

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        if self._bindings is not None and (changed := self._bindings.begin()):
            self._tell(changed)
        try:
            if self._keeps_prints:
                with _prints_kept(self._context):
                    yield
            else:
                yield
        except BaseException as error:
            self.error = error
            raise


@contextmanager
def _prints_kept(context: RunContext) -> Iterator[None]:
    """Keep what is printed as lines of the run's log; it is shown all the same."""
    logger = run_logger(context)

    def keep(line: str) -> None:
        logger.lines.keep(time.time(), "INFO", logger.logger.name, line)

    outlet, stream = Outlet(context, keep), sys.stdout
    post = posting.get()
    if post is not None:
        # In the background it is not the kernel's stream that the cell prints on.
        with post.telling(outlet.write):
            yield
        outlet.close()
        return
    write = stream.write

    def write_and_keep(text: str) -> Any:
        if isinstance(text, str):
            outlet.write(text)
        return write(text)

    try:
        with replaced(stream, "write", write_and_keep):
            yield
    finally:
        outlet.close()


def _where(error: BaseException) -> TracebackType | None:
    """Return the user's lines that were cancelled in order to raise `error`."""
    cause: BaseException | None = error
    while cause is not None:
        lines = users_lines_only(cause.__traceback__, "asyncio")
        if lines is not None:
            return lines
        cause = cause.__cause__ or cause.__context__
    return None


class CellPerformer(Performer):
    """Perform the run of a cell task, and show quietly what it waits for.

    Parameters
    ----------
    show
        Shows a line under the cell.
    limits
        Concurrency limits of which it holds a slot, beside those of its tags.
    """

    def __init__(
        self,
        context: RunContext,
        recall: Recall,
        *,
        show: Callable[[Notice], object],
        limits: tuple[str, ...] = (),
    ) -> None:
        super().__init__(context, recall)
        self.attempts: Attempts | None = None
        self._show = show
        self._limits = limits
        self._is_told = False

    def hold(self) -> None:
        """Have its events written with those of its end, as long as that is near.

        Who is restored is done before another thread could have written that he began.
        """
        context = self.context
        if context.sink is None:
            context.sink = context.home.recorder.hold

    def release(self) -> None:
        """Have its events written from now on as they come."""
        context = self.context
        recorder = context.home.recorder
        if context.sink == recorder.hold:
            context.sink = None
            recorder.wake()

    async def acquire(self, hands: Hands) -> Hit | None:
        """Wait until this run is the one who computes the result."""
        self.release()
        return await super().acquire(hands)

    def limits(self) -> tuple[str, ...]:
        """Return the limits that the run has to hold slots of."""
        tagged = self.context.home.limits.for_tags(self.context.spec.tags)
        return tuple(dict.fromkeys((*self._limits, *super().limits(), *tagged)))

    def reach(self, state: State, attempt: int) -> Any:
        """Bring the run into `state`; tell of a wait."""
        if state.name not in _BRIEF:
            self.release()
        hooks = super().reach(state, attempt)
        if state.name == "AwaitingConcurrencySlot":
            names = ", ".join(map(repr, self.limits()))
            self._show(Notice(f"waiting for a slot of {names}"))
        elif state.name == "AwaitingRetry":
            seconds = state.details["retry_in_seconds"]
            self._tell_of_failure(attempt, f"again in {duration(seconds)}")
            self._is_told = True
        elif state.name == "Retrying":
            if not self._is_told:
                self._tell_of_failure(attempt - 1, "")
            self._is_told = False
        return hooks

    def _tell_of_failure(self, attempt: int, more: str) -> None:
        error = self.attempts and self.attempts.error
        first, *_ = f"{type(error).__name__}: {error}".splitlines()
        told = f"{first[:MOST_SHOWN]} · {more}" if more else first[:MOST_SHOWN]
        of = self.context.spec.retries + 1
        self._show(Notice(f"attempt {attempt} of {of} failed", told))
