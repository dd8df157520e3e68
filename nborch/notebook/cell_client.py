"""One notebook on its way through one kernel, cell by cell."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from nborch.exceptions import CellFailed
from nborch.notebook.conclusions import Request, conclude
from nborch.notebook.kernels.base import Kernel
from nborch.notebook.marks import Marks, marks_of
from nborch.notebook.outputs import file_outputs
from nborch.notebook.reports import CellListener, CellOutcome, CellReport, KeptCell
from nborch.notebook.spilling import Spill
from nborch.secrets import redacted

__all__ = ["CellClient", "Limits"]

_log = logging.getLogger("nborch.notebook")

# After the reply, outputs may still be on their way for as long as they keep coming;
# a kernel that is silent for this long has none left.
_QUIET_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, and whether errors end the run.

    Parameters
    ----------
    timeout_seconds
        For a cell that sets no limit of its own; None for no limit.
    startup_seconds
        For the kernel, until it answers.
    grace_seconds
        For an interrupted cell, until its kernel is killed.
    total_seconds
        For the whole run, the kernel's start included; None for no limit.
    """

    timeout_seconds: float | None = None
    startup_seconds: float = 60.0
    grace_seconds: float = 2.0
    allow_errors: bool = False
    total_seconds: float | None = None


class CellClient:
    """The run of one notebook in one kernel.

    One reader per channel runs for as long as the kernel does, not for as long as a
    cell: what a task of an earlier cell prints still reaches the cell it began in.
    """

    def __init__(  # noqa: PLR0913 - one run has this many circumstances
        self,
        nb: Any,
        kernel: Kernel,
        listener: CellListener,
        *,
        limits: Limits | None = None,
        kept: Mapping[int, KeptCell] | None = None,
        spill: Spill | None = None,
        silent: Mapping[int, str] | None = None,
        echo: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        self.nb = nb
        self.kernel = kernel
        self.listener = listener
        self.limits = limits or Limits()
        self.kept = kept or {}
        self.spill = spill
        self.silent = silent or {}
        self.echo = echo
        # Those of all cells that are to be run or left out.
        # NB. Here already: a wrong mark is told before a kernel is started.
        self._marks = {
            index: marks_of(cell, index + 1)
            for index, cell in enumerate(nb.cells)
            if cell.cell_type == "code" and cell.source.strip()
        }
        self._deadline: float | None = None
        self.filing: Any = None
        self._requests: dict[str, Request] = {}
        self._silent_replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._stops: list[str] = []
        self._stop_asked: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self, reason: str) -> None:
        """End the run from any thread: interrupt the cell, or the second time kill it.

        Parameters
        ----------
        reason
            Who asked, as the report shall name it: ``"SIGINT"``.
        """
        self._stops.append(reason)
        if self._loop is not None and self._stop_asked is not None:
            # The loop may have closed a moment ago: then nothing is left to stop.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop_asked.set)

    async def run(self) -> list[CellReport]:
        """Start the kernel, run all cells, end the kernel; return the reports."""
        self._stop_asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self.limits.total_seconds is not None:
            self._deadline = monotonic() + self.limits.total_seconds
        self.filing = file_outputs(
            self.nb,
            on_event=self.listener.cell_message,
            on_change=self.listener.cell_output,
            spill=self.spill,
        )
        self._clear()
        try:
            await self._start()
            reports = await self._run_all()
            self.filing.set_widgets_metadata()
            return reports
        finally:
            await self._end()

    def _clear(self) -> None:
        """Show nothing of an earlier run, but for the cells that are kept."""
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code":
                kept = self.kept.get(index)
                cell.outputs = list(kept.outputs) if kept else []
                cell.execution_count = kept.execution_count if kept else None

    async def _start(self) -> None:
        """Start the kernel, unless a stop is asked for meanwhile or time is up."""
        if self._stops:
            return
        starting = asyncio.ensure_future(self.kernel.start(self.limits.startup_seconds))
        left = None if self._deadline is None else self._deadline - monotonic()
        await self._first_of({starting}, seconds=left)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return
        starting.result()
        if "language_info" in self.kernel.info:
            self.nb.metadata["language_info"] = self.kernel.info["language_info"]
        client = self.kernel.client
        self.filing.km, self.filing.kc = self.kernel.manager, client
        self._readers = [
            asyncio.ensure_future(_read(client.shell_channel, self._on_reply)),
            asyncio.ensure_future(_read(client.iopub_channel, self._on_output)),
        ]

    async def _run_all(self) -> list[CellReport]:
        reports = []
        over = False
        for index, marks in self._marks.items():
            if index in self.kept:
                report = CellReport(index, CellOutcome.KEPT)
            elif over or marks.skips:
                report = CellReport(index, CellOutcome.NOT_RUN)
            else:
                report = await self._run_cell(index, self.nb.cells[index])
                self.filing.tell()
            over = over or report.outcome.ends_the_run or report.ends_early
            reports.append(report)
            self.listener.cell_finished(report)
        return reports

    async def _run_cell(self, index: int, cell: Any) -> CellReport:
        loop = asyncio.get_running_loop()
        cell.outputs, cell.execution_count = [], None
        cell.metadata["execution"] = {}
        told = self.listener.cell_started(index)
        request = Request(
            cell, index, self._marks[index], loop.create_future(), loop.create_future()
        )
        if self._stops:
            request.verdict, request.reason = CellOutcome.CANCELLED, self._cancelled()
        elif self._deadline is not None and monotonic() >= self._deadline:
            request.verdict, (_, request.reason) = CellOutcome.TIMED_OUT, self._total()
        elif not self.kernel.exited.done():
            if index in self.silent:
                await self._run_silently(self.silent[index])
            self._send(request, told)
            await self._await_reply(request)
            await self._await_idle(request)
        return self._conclude(request)

    async def _run_silently(self, source: str) -> None:
        """Run what the document must not show: it hands secrets over."""
        sent = self.kernel.client.execute(source, silent=True, store_history=False)
        reply = self._silent_replies[sent] = asyncio.Future()
        while not (reply.done() or self.kernel.exited.done() or self._stops):
            await self._first_of({reply}, seconds=_QUIET_SECONDS)
        if reply.done() and reply.result()["status"] != "ok":
            told = reply.result()
            raise CellFailed(
                "The secret parameters cannot be set in the kernel: "
                f"{told.get('ename')}: {told.get('evalue')}"
            )

    def _send(self, request: Request, told: Mapping[str, object] | None) -> None:
        """Send the cell's source to the kernel."""
        content = {
            "code": request.cell.source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": not self._allows_errors(request.marks),
        }
        metadata: dict[str, Any] = {"nborch": dict(told)} if told else {}
        if "id" in request.cell:
            metadata["cellId"] = request.cell["id"]  # as JupyterLab sends it
        client = self.kernel.client
        message = client.session.msg("execute_request", content, metadata=metadata)
        self._requests[message["header"]["msg_id"]] = request
        request.sent = True
        client.shell_channel.send(message)

    async def _await_reply(self, request: Request) -> None:
        """Wait until the kernel answers or is gone; interrupt it when it must stop."""
        limits = list(self._limits_of(request))
        due, words = min(limits) if limits else (math.inf, "")
        patience: float | None = None
        heard = 0
        while not request.reply.done() and not self.kernel.exited.done():
            if len(self._stops) > heard:
                again = request.verdict is CellOutcome.CANCELLED
                heard = len(self._stops)
                request.verdict = CellOutcome.CANCELLED
                request.reason = self._cancelled()
                patience = monotonic() if again else await self._interrupt()
            elif not request.verdict and monotonic() >= due:
                request.verdict, request.reason = CellOutcome.TIMED_OUT, words
                patience = await self._interrupt()
            if patience is not None and monotonic() >= patience:
                await self.kernel.kill()
                return
            until = due if patience is None else patience
            seconds = max(0.0, until - monotonic()) + 0.001
            forever = math.isinf(seconds)
            await self._first_of({request.reply}, seconds=None if forever else seconds)

    def _limits_of(self, request: Request) -> Iterator[tuple[float, str]]:
        """Yield when time is up for a cell, with the words for it."""
        limit = request.marks.limit(self.limits.timeout_seconds)
        if limit is not None:
            words = f"The cell took longer than {limit:g} s."
            yield request.started + limit, words
        if self._deadline is not None:
            yield self._total()

    def _total(self) -> tuple[float, str]:
        """Return when time is up for the run, with the words for it."""
        words = f"The run took longer than {self.limits.total_seconds:g} s."
        return self._deadline or 0.0, words

    def _cancelled(self) -> str:
        return f"Cancelled by {self._stops[0]}."

    async def _interrupt(self) -> float:
        """Interrupt the cell; return when patience with it ends."""
        await self.kernel.interrupt()
        return monotonic() + self.limits.grace_seconds

    async def _await_idle(self, request: Request) -> None:
        """Wait until the outputs are complete, for as long as they keep coming."""
        while not request.idle.done() and not self.kernel.exited.done():
            before = self.filing.received
            await self._first_of({request.idle}, seconds=_QUIET_SECONDS)
            quiet = self.filing.received == before and not self._stops
            if quiet and not request.idle.done():
                place = request.index + 1
                _log.warning("The kernel never said that cell %d was over.", place)
                return
        if self.kernel.exited.done():
            await self._drain()

    async def _drain(self) -> None:
        """Take in what a dead kernel had still sent."""
        before = -1
        while before != self.filing.received:
            before = self.filing.received
            await asyncio.sleep(0.03)

    async def _first_of(
        self, wanted: "set[asyncio.Future[Any]]", *, seconds: float | None = None
    ) -> None:
        """Wait for one of these, the kernel's end, a stop, or a listener's error."""
        if self._stop_asked is None:
            raise RuntimeError("The client is not running.")
        stop = asyncio.ensure_future(self._stop_asked.wait())
        watched = {*wanted, stop, self.filing.trouble, *self._readers}
        if self._readers:
            watched.add(self.kernel.exited)
        await asyncio.wait(
            watched, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        stop.cancel()
        self._stop_asked.clear()
        for failed in (self.filing.trouble, *self._readers):
            if failed.done():
                failed.result()

    def _conclude(self, request: Request) -> CellReport:
        """Say how a cell ended and see to it that its outputs say so, too."""
        self.filing.settle(request.index)
        report = conclude(
            request, self.kernel, allow_errors=self._allows_errors(request.marks)
        )
        self.filing.mark(request.index)
        return report

    def _allows_errors(self, marks: Marks) -> bool:
        return self.limits.allow_errors or marks.may_raise

    def _on_reply(self, message: dict[str, Any]) -> None:
        from nbclient.client import timestamp

        sent = message["parent_header"].get("msg_id", "")
        message = {**message, "content": redacted(message["content"])}
        if sent in self._silent_replies and not self._silent_replies[sent].done():
            self._silent_replies[sent].set_result(message["content"])
        request = self._requests.get(sent)
        if request is not None and not request.reply.done():
            times = request.cell.metadata["execution"]
            times["shell.execute_reply"] = timestamp(message)
            request.reply.set_result(message)

    def _on_output(self, message: dict[str, Any]) -> None:
        self.filing.received += 1
        request = self._requests.get(message["parent_header"].get("msg_id", ""))
        if request is None:
            return
        over = self.filing.take(message, request.index)
        if self.echo is not None:
            self.echo(message)
        if over and not request.idle.done():
            request.idle.set_result(None)

    async def _end(self) -> None:
        self.filing.hush()
        for reader in self._readers:
            reader.cancel()
        if self._readers:
            await asyncio.wait(self._readers)
        finished = all(request.reply.done() for request in self._requests.values())
        await self.kernel.shut_down(politely=finished)


async def _read(channel: Any, receive: Callable[[dict[str, Any]], None]) -> None:
    while True:
        receive(await channel.get_msg(timeout=None))
