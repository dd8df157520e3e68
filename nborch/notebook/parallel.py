"""One notebook on its way through one kernel, its cell tasks at the same time.

The kernel answers at once for a ``%%task`` cell that it runs in a process of its own
(see `nborch.notebook.background.abreast`), and tells later how it ended. Until then the
cell is open here: its outputs still come, and its report is put off.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from nborch.notebook.cell_client import CellClient
from nborch.notebook.conclusions import Request
from nborch.notebook.magics import is_task
from nborch.notebook.reports import CellListener, CellOutcome, CellReport

__all__ = ["ParallelClient"]

#: Has the kernel get ready to start processes.
_WARM_UP = "__import__('nborch.notebook.background.abreast', fromlist='*').warm_up()"
#: Seconds between two looks at whether time is up for an open cell.
_PULSE = 0.1


@dataclass(slots=True)
class _Word:
    """What the kernel has told of one cell.

    Parameters
    ----------
    is_open
        It runs in a process: the kernel's answer was not its end.
    waits
        It has not begun, because it waits for others.
    is_refused
        It was not run, because an earlier one had failed.
    began
        When its body began to run.
    over
        What was told at its end.
    """

    is_open: bool = False
    waits: bool = False
    is_refused: bool = False
    began: float | None = None
    over: Mapping[str, Any] | None = None
    request: Request | None = None


class ParallelClient(CellClient):
    """The run of one notebook, up to so many cell tasks at the same time.

    Reports come in the order in which cells end; the list of them is in order.
    """

    def __init__(
        self, nb: Any, kernel: Any, listener: CellListener, *, most: int, **more: Any
    ) -> None:
        super().__init__(nb, kernel, _Hearing(listener, self), **more)
        self.most = most
        self._words: dict[int, _Word] = {}
        self._reports: dict[int, CellReport] = {}
        #: The first cell in the notebook's order that ended the run.
        self._last: int | None = None
        self._heard = asyncio.Event()

    def tasks_at_once(self, index: int) -> int:
        """Return how many tasks may run beside this cell, itself included."""
        # An error in it is no end of the run, so it must not be one for the others.
        return 0 if self._allows_errors(self._marks[index]) else self.most

    def hear(self, index: int, payload: Mapping[str, Any]) -> None:
        """Take what the kernel tells of a cell."""
        word = self._words.setdefault(index, _Word())
        match payload["abreast"]:
            case "submitted":
                word.is_open = True
            case "waits":
                word.waits = True
            case "goes":
                word.waits = False
                if word.request is not None:
                    word.request.started = monotonic()
            case "began":
                word.began = monotonic()
            case "refused":
                word.is_refused = True
            case "over":
                word.over = payload
        self._heard.set()

    async def _start(self) -> None:
        await super()._start()
        sources = (self.nb.cells[index].source for index in self._marks)
        if self._readers and any(is_task(each.partition("\n")[0]) for each in sources):
            # Nobody waits for the answer: what it starts is ready when it is needed.
            self.kernel.client.execute(_WARM_UP, silent=True, store_history=False)

    async def _run_all(self) -> list[CellReport]:
        for index in self._marks:
            await self._collect()
            if index in self.kept:
                self._report(CellReport(index, CellOutcome.KEPT))
            elif self._last is not None or self._marks[index].skips:
                self._report(CellReport(index, CellOutcome.NOT_RUN))
            else:
                report = await self._run_cell(index, self.nb.cells[index])
                if not self._is_open(index):
                    self._report(report)
                self.filing.tell()
        while self._opened():
            await self._first_of(
                {asyncio.ensure_future(self._heard.wait())}, seconds=_PULSE
            )
            await self._collect()
        return [self._reports[index] for index in sorted(self._reports)]

    def _is_open(self, index: int) -> bool:
        word = self._words.get(index)
        return word is not None and word.is_open

    def _opened(self) -> list[int]:
        return [index for index, word in self._words.items() if word.is_open]

    def _report(self, report: CellReport) -> None:
        self._reports[report.index] = report
        if report.outcome.ends_the_run or report.ends_early:
            last = report.index if self._last is None else self._last
            self._last = min(report.index, last)
        self.filing.tell()
        self.listener.cell_finished(report)

    # Cells that are open.

    async def _await_reply(self, request: Request) -> None:
        self._words.setdefault(request.index, _Word()).request = request
        watching = asyncio.ensure_future(self._watch_limits(request))
        try:
            await super()._await_reply(request)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    def _limits_of(self, _request: Request) -> Iterator[tuple[float, str]]:
        # How long the cell itself may take counts from when it has nothing to wait for.
        if self._deadline is not None:
            yield self._total()

    async def _watch_limits(self, request: Request) -> None:
        """End what takes too long: the present cell, and those beside it."""
        word = self._words[request.index]
        limit = request.marks.limit(self.limits.timeout_seconds)
        while word.waits or not limit or request.seconds <= limit:
            await asyncio.sleep(_PULSE)
            await self._collect()
            if word.waits and self._has_timed_out():
                # What it waits for will not be told over by the kernel.
                await self.kernel.interrupt()
        if request.verdict is None:
            request.verdict = CellOutcome.TIMED_OUT
            request.reason = f"The cell took longer than {limit:g} s."
            patience = await self._interrupt()
            await asyncio.sleep(max(0.0, patience - monotonic()))
            await self.kernel.kill()

    def _late(self) -> dict[int, str]:
        """Return the open cells that take too long, with the words for it."""
        late = {}
        for index in self._opened():
            limit = self._marks[index].limit(self.limits.timeout_seconds)
            began = self._words[index].began
            if self._words[index].over or limit is None or not began:
                continue
            if monotonic() > began + limit:
                late[index] = f"The cell took longer than {limit:g} s."
        return late

    async def _collect(self) -> None:
        """Report on the open cells that are over, or have to be."""
        self._heard.clear()
        if self.kernel.exited.done():
            await self._drain()
        late = self._late()
        for index in self._opened():
            end = self._end_of(index, late)
            if end is not None:
                self._close(index, *end)
        if self._has_timed_out():
            # The kernel ends those after one that failed; of a limit it knows nothing.
            for index in self._opened():
                if index > (self._last or 0):
                    self._close(index, CellOutcome.CANCELLED, self._because())

    def _end_of(
        self, index: int, late: Mapping[int, str]
    ) -> tuple[CellOutcome | None, str] | None:
        """Return how an open cell has to be closed, with the words; None if not yet."""
        if self._words[index].over is not None:
            return None, ""
        if self.kernel.exited.done():
            return CellOutcome.CRASHED, ""
        if self._stops:
            return CellOutcome.CANCELLED, self._cancelled()
        if index in late:
            return CellOutcome.TIMED_OUT, late[index]
        if self._deadline is not None and monotonic() > self._deadline:
            return CellOutcome.TIMED_OUT, self._total()[1]
        return None

    def _has_timed_out(self) -> bool:
        """Tell whether a cell that was open has ended the run by its limit."""
        last = None if self._last is None else self._reports[self._last]
        return last is not None and last.outcome is CellOutcome.TIMED_OUT

    def _because(self) -> str:
        return f"Cancelled, because cell {(self._last or 0) + 1} ended the run."

    def _close(
        self, index: int, verdict: CellOutcome | None = None, reason: str = ""
    ) -> None:
        """Report on a cell that was open."""
        word = self._words[index]
        request, over = word.request, word.over or {}
        word.is_open = False
        if request is None:
            raise AssertionError("A cell is open after it was sent.")
        if verdict is CellOutcome.CRASHED:
            # As if it had not been answered: that is how a cell's death is told.
            request.reply = asyncio.get_running_loop().create_future()
        elif verdict is not None:
            request.verdict, request.reason = verdict, reason
        elif over.get("stage") == "cancelled":
            if not over.get("began"):
                self._report(self._not_run(request))
                return
            request.verdict = CellOutcome.CANCELLED
            request.reason = self._because()
        report = self._conclude(request)
        if over.get("stage") == "crashed" and report.outcome is CellOutcome.FAILED:
            report = replace(report, outcome=CellOutcome.CRASHED)
        seconds = over.get("seconds") or monotonic() - (word.began or monotonic())
        self._report(replace(report, seconds=float(seconds)))

    def _conclude(self, request: Request) -> CellReport:
        word = self._words.get(request.index, _Word())
        answered = request.reply.done() and request.verdict is None
        if word.is_open and answered:
            # Its report comes when it is over; until then it says nothing.
            request.cell.execution_count = request.reply.result()["content"].get(
                "execution_count"
            )
            return CellReport(request.index, CellOutcome.COMPLETED)
        word.is_open = False
        if word.is_refused or (word.waits and self._last is not None):
            return self._not_run(request)
        return super()._conclude(request)

    def _not_run(self, request: Request) -> CellReport:
        """Leave a cell as one that was never sent."""
        request.cell.outputs, request.cell.execution_count = [], None
        request.cell.metadata.pop("execution", None)
        self.filing.mark(request.index)
        return CellReport(request.index, CellOutcome.NOT_RUN)


class _Hearing:
    """Takes what the kernel tells of tasks abreast; passes on all else."""

    def __init__(self, listener: CellListener, client: ParallelClient) -> None:
        self._listener = listener
        self._client = client

    def cell_started(self, index: int) -> Mapping[str, object] | None:
        told = self._listener.cell_started(index)
        return {**(told or {}), "parallel": self._client.tasks_at_once(index)}

    def cell_message(self, index: int, payload: dict[str, Any]) -> None:
        if "abreast" in payload:
            self._client.hear(index, payload)
        else:
            self._listener.cell_message(index, payload)

    def cell_output(self, index: int) -> None:
        self._listener.cell_output(index)

    def cell_finished(self, report: CellReport) -> None:
        self._listener.cell_finished(report)
