"""One notebook on its way through one kernel, cell by cell."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from nborch.notebook.launch import LiveKernel
from nborch.notebook.outputs import file_outputs
from nborch.notebook.reports import (
    CellError,
    CellListener,
    CellOutcome,
    CellReport,
    crash_line,
)

__all__ = ["CellClient", "Limits"]

_log = logging.getLogger("nborch.notebook")

# After the reply, outputs may still be on their way for as long as they keep coming;
# a kernel that is silent for this long has none left.
_QUIET_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, and whether errors end the run."""

    timeout_seconds: float | None = None
    startup_seconds: float = 60.0
    grace_seconds: float = 5.0
    allow_errors: bool = False


@dataclass(slots=True)
class _Request:
    """One cell on its way through the kernel."""

    cell: Any
    index: int
    reply: asyncio.Future[dict[str, Any]]
    idle: asyncio.Future[None]
    sent: bool = False
    started: float = field(default_factory=monotonic)
    #: Why the cell was made to stop, once it was.
    verdict: CellOutcome | None = None
    reason: str = ""

    @property
    def seconds(self) -> float:
        return monotonic() - self.started


class CellClient:
    """The run of one notebook in one kernel.

    One reader per channel runs for as long as the kernel does, not for as long as a
    cell: what a task of an earlier cell prints still reaches the cell it began in.
    """

    def __init__(
        self,
        nb: Any,
        kernel: LiveKernel,
        listener: CellListener,
        *,
        limits: Limits | None = None,
    ) -> None:
        self.nb = nb
        self.kernel = kernel
        self.listener = listener
        self.limits = limits or Limits()
        self.filing: Any = None
        self._requests: dict[str, _Request] = {}
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
        self.filing = file_outputs(
            self.nb,
            on_event=self.listener.cell_message,
            on_change=self.listener.cell_output,
        )
        try:
            await self._start()
            reports = await self._run_all()
            self.filing.set_widgets_metadata()
            return reports
        finally:
            await self._end()

    async def _start(self) -> None:
        """Start the kernel, unless a stop is asked for meanwhile."""
        if self._stops:
            return
        starting = asyncio.ensure_future(self.kernel.start(self.limits.startup_seconds))
        await self._first_of({starting})
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
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            if over or "skip-execution" in cell.metadata.get("tags", []):
                report = CellReport(index, CellOutcome.NOT_RUN)
            else:
                report = await self._run_cell(index, cell)
                self.filing.tell()
            over = over or report.outcome.ends_the_run or self._left(report)
            reports.append(report)
            self.listener.cell_finished(report)
        return reports

    def _left(self, report: CellReport) -> bool:
        """Return whether the cell ended the run of its own will, with sys.exit(0)."""
        quietly = report.error is not None and report.error.stops_quietly
        return quietly and not self._allows_errors(self.nb.cells[report.index])

    async def _run_cell(self, index: int, cell: Any) -> CellReport:
        loop = asyncio.get_running_loop()
        cell.outputs, cell.execution_count = [], None
        cell.metadata["execution"] = {}
        told = self.listener.cell_started(index)
        request = _Request(cell, index, loop.create_future(), loop.create_future())
        if self._stops:
            request.verdict, request.reason = CellOutcome.CANCELLED, self._stops[0]
        elif not self.kernel.exited.done():
            self._send(request, told)
            await self._await_reply(request)
            await self._await_idle(request)
        return self._conclude(request)

    def _send(self, request: _Request, told: Mapping[str, object] | None) -> None:
        """Send the cell's source to the kernel."""
        content = {
            "code": request.cell.source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": not self._allows_errors(request.cell),
        }
        metadata: dict[str, Any] = {"nborch": dict(told)} if told else {}
        if "id" in request.cell:
            metadata["cellId"] = request.cell["id"]  # as JupyterLab sends it
        client = self.kernel.client
        message = client.session.msg("execute_request", content, metadata=metadata)
        self._requests[message["header"]["msg_id"]] = request
        request.sent = True
        client.shell_channel.send(message)

    async def _await_reply(self, request: _Request) -> None:
        """Wait until the kernel answers or is gone; interrupt it when it must stop."""
        limit = self.limits.timeout_seconds
        patience: float | None = None
        heard = 0
        while not request.reply.done() and not self.kernel.exited.done():
            if len(self._stops) > heard:
                again = request.verdict is CellOutcome.CANCELLED
                heard = len(self._stops)
                request.verdict = CellOutcome.CANCELLED
                request.reason = self._stops[0]
                patience = monotonic() if again else await self._interrupt()
            elif limit is not None and not request.verdict and request.seconds > limit:
                request.verdict = CellOutcome.TIMED_OUT
                request.reason = f"{limit:g}"
                patience = await self._interrupt()
            if patience is not None and monotonic() >= patience:
                await self.kernel.kill()
                return
            until = patience
            if until is None and limit is not None:
                until = request.started + limit
            seconds = None if until is None else max(0.0, until - monotonic()) + 0.001
            await self._first_of({request.reply}, seconds=seconds)

    async def _interrupt(self) -> float:
        """Interrupt the cell; return when patience with it ends."""
        await self.kernel.interrupt()
        return monotonic() + self.limits.grace_seconds

    async def _await_idle(self, request: _Request) -> None:
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

    def _conclude(self, request: _Request) -> CellReport:
        """Say how a cell ended and see to it that its outputs say so, too."""
        cell = request.cell
        reply = request.reply.result()["content"] if request.reply.done() else {}
        error = _error_in(reply, cell) if reply else None
        if request.verdict is not None:
            outcome, error = request.verdict, self._stopped(request, error)
        elif not reply:
            outcome, error = CellOutcome.CRASHED, self._died(request)
        elif error and not (error.stops_quietly or self._allows_errors(cell)):
            outcome = CellOutcome.FAILED
        else:
            outcome = CellOutcome.COMPLETED
        self.filing.settle(request.index)
        if outcome.ends_the_run and error is not None:
            _show_error(cell, error)
        self.filing.mark(request.index)
        return CellReport(request.index, outcome, request.seconds, error)

    def _died(self, request: _Request) -> CellError:
        message = self.kernel.obituary()
        if not request.sent:
            message += " That was before this cell could start."
        words = self.kernel.last_words() if request.sent else ""
        source = request.cell.source
        traceback = (*words.splitlines(), f"DeadKernelError: {message}")
        error = CellError("DeadKernelError", message, traceback=traceback)
        return error.at(crash_line(words, source), source)

    def _stopped(self, request: _Request, error: CellError | None) -> CellError:
        """Return why a cell was made to stop, at the line where it was."""
        if request.verdict is CellOutcome.TIMED_OUT:
            name = "TimeoutError"
            message = f"The cell took longer than {request.reason} seconds."
        else:
            name = "KeyboardInterrupt"
            message = f"Cancelled by {request.reason}."
        if request.sent and not request.reply.done():
            message += (
                " It did not stop when it was interrupted, so the kernel was killed."
            )
        if error is None:
            return CellError(name, message, traceback=(f"{name}: {message}",))
        return CellError(name, message, error.line, error.source_line, error.traceback)

    def _allows_errors(self, cell: Any) -> bool:
        tags = cell.metadata.get("tags", [])
        return self.limits.allow_errors or "raises-exception" in tags

    def _on_reply(self, message: dict[str, Any]) -> None:
        from nbclient.client import timestamp

        request = self._requests.get(message["parent_header"].get("msg_id", ""))
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


def _error_in(reply: Mapping[str, Any], cell: Any) -> CellError | None:
    """Return what the cell raised, by the kernel's answer or by what it displayed."""
    cell.execution_count = reply.get("execution_count", cell.execution_count)
    if reply.get("status") != "ok":
        return CellError.from_reply(reply, cell.source, cell.execution_count)
    if any(part.get("source") == "ask_exit" for part in reply.get("payload") or ()):
        # exit() and quit() tell the front end to leave; the kernel follows.
        return CellError("SystemExit", "0")
    # NB. Magics may display an error and then answer that all is well: IPython's %%time
    # did for years. What a reader sees as failed has failed, as papermill has it, too.
    for output in cell.outputs:
        if output.output_type == "error":
            return CellError.from_reply(output, cell.source, cell.execution_count)
    return None


def _show_error(cell: Any, error: CellError) -> None:
    """Add the error to the cell's outputs unless the kernel showed it itself."""
    from nbformat.v4 import new_output

    if not any(output.output_type == "error" for output in cell.outputs):
        shown = new_output(
            "error",
            ename=error.name,
            evalue=error.message,
            traceback=list(error.traceback),
        )
        cell.outputs.append(shown)


async def _read(channel: Any, receive: Callable[[dict[str, Any]], None]) -> None:
    while True:
        receive(await channel.get_msg(timeout=None))
