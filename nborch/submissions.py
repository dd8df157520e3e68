"""Whose a submitted run is: its flow run's, or the process's, which waits for it."""

import atexit
import os
import sys
import threading

from nborch.context import RunContext
from nborch.kernels import is_kernel
from nborch.submitting import Submissions
from nborch.task_runners.base import TaskRunner
from nborch.task_runners.threads import ThreadPoolTaskRunner

__all__ = ["submissions_of"]

_outside: Submissions | None = None
_lock = threading.Lock()


def _outside_flows() -> Submissions:
    """Return the submissions of this process that belong to no flow run of its own."""
    global _outside  # noqa: PLW0603  # one for the process
    with _lock:
        if _outside is None:
            _outside = Submissions(ThreadPoolTaskRunner(), remembers=False)
        return _outside


def submissions_of(context: RunContext | None) -> Submissions:
    """Return the submissions that a task run made within `context` belongs to."""
    flow_run = context and context.flow_run
    # Who runs a flow otherwise than by calling it waits for nothing at its end.
    runner: TaskRunner | None = getattr(
        flow_run and flow_run.owner, "task_runner", None
    )
    if flow_run is None or runner is None or _is_over(flow_run):
        return _outside_flows()
    if flow_run.submissions is None:
        with _lock:
            if flow_run.submissions is None:
                flow_run.submissions = Submissions(runner.duplicate())
    submissions: Submissions = flow_run.submissions
    return submissions


def _is_over(flow_run: RunContext) -> bool:
    return flow_run.state is not None and flow_run.state.is_final()


def _wait_at_exit() -> None:
    """Wait for what was submitted outside flows, as any pool of threads does."""
    # Who restarts a kernel wants to wait for nothing: its runs are found as Crashed.
    if _outside is None or is_kernel():
        return
    # What ended the program, if an exception did.
    stopped = getattr(sys, "last_value", None)
    if not isinstance(stopped, KeyboardInterrupt):
        try:
            _outside.wait()
        except KeyboardInterrupt as error:
            stopped = error
        else:
            return
    _outside.end_early(stopped)


# NB. Python's own function for this is not public, but since 3.12 the public one comes
# too late: no thread can be started any more. The public one is for what the program's
# other threads have submitted since.
getattr(threading, "_register_atexit", atexit.register)(_wait_at_exit)
atexit.register(_wait_at_exit)


def _renew_in_child() -> None:
    global _outside, _lock  # its threads are the parent's
    _outside, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_renew_in_child)
