"""What nborch changes inside a kernel that it started itself.

The runner loads this module as an IPython extension. It adds no names and no magics:
``%load_ext nborch`` in the notebook does the same as everywhere else.
"""

import atexit
import faulthandler
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from nborch.context import RunContext, set_ambient
from nborch.home import current_home
from nborch.runs import Run, RunKind
from nborch.specs import Spec

__all__ = [
    "load_ipython_extension",
    "request_metadata",
    "sent_context",
    "unload_ipython_extension",
]

_EXIT_SECONDS = 1.0


def request_metadata() -> dict[str, Any]:
    """Return what the runner sent along with the running cell, empty outside a run.

    >>> request_metadata()
    {}
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return {}
    sent = (kernel.get_parent("shell") or {}).get("metadata", {}).get("nborch")
    return dict(sent) if isinstance(sent, dict) else {}


def sent_context() -> RunContext | None:
    """Return the run of the cell that a notebook flow executes, if one does."""
    sent = request_metadata()
    if "run_id" not in sent:
        return None
    name = str(sent.get("task", "cell"))
    home = current_home()
    run = Run(
        id=str(sent["run_id"]),
        kind=RunKind.TASK,
        of=name,
        name=str(sent.get("name", name)),
        created=datetime.now(UTC),
        process=home.process,
        parent_id=sent.get("flow_run_id"),
        details={"label": name},
    )
    return RunContext(run, Spec(kind=RunKind.TASK, name=name), home)


def load_ipython_extension(shell: Any) -> None:
    """Let the kernel keep outputs until they are read, and leave word of a crash."""
    # Tasks and flows that cells call are runs within the cells'.
    set_ambient(sent_context)
    if getattr(shell, "kernel", None) is not None:
        _tell_of_crashes()
        _exit_in_time()
        _lift_output_limit()
        shell.events.register("pre_execute", _lift_output_limit)


def unload_ipython_extension(shell: Any) -> None:
    """Stop looking after the kernel's output limit."""
    if getattr(shell, "kernel", None) is not None:
        shell.events.unregister("pre_execute", _lift_output_limit)


def _tell_of_crashes() -> None:
    # The runner shows the stack that compiled code left behind when it crashed.
    # NB. The kernel reads its own error stream, and cannot when it has crashed: the
    # stack must go where that stream went at first.
    stream = getattr(sys.stderr, "_original_stdstream_copy", None) or sys.__stderr__
    if stream is not None and not faulthandler.is_enabled():
        faulthandler.enable(file=stream, all_threads=False)


def _exit_in_time() -> None:
    # NB. ipykernel can wait for its own output thread while it exits, for ten seconds.
    # Handlers run in the reverse order, so the user's have run when this one does.
    kernel = os.getpid()

    def limit() -> None:
        if os.getpid() == kernel and hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, _EXIT_SECONDS)

    atexit.register(limit)


def _lift_output_limit() -> None:
    # A publishing socket drops messages above its high-water mark, silently: 30,000
    # flushed prints lost up to a fifth of their lines.
    # NB. The mark is copied into a connection when the client connects, with the value
    # of the time of binding, and setting it changes the connections there are. The
    # client may connect after this extension is loaded: hence once more per cell.
    import zmq
    from IPython import get_ipython

    iopub = getattr(getattr(get_ipython(), "kernel", None), "iopub_thread", None)
    if iopub is not None:
        # NB. A socket belongs to one thread: the one that publishes.
        iopub.schedule(lambda: iopub.socket.setsockopt(zmq.SNDHWM, 0))
