"""What nborch changes inside a kernel that it started itself.

The runner loads this module as an IPython extension. It adds no names and no magics:
``%load_ext nborch`` in the notebook does the same as everywhere else.
"""

import atexit
import faulthandler
import os
import signal
import sys
from typing import Any

from nborch.ambient import set_ambient
from nborch.notebook.kernels.takeover import preload

__all__ = [
    "load_ipython_extension",
    "unload_ipython_extension",
]

_EXIT_SECONDS = 1.0

#: Seconds for which prints are gathered before they are sent.
_FLUSH_SECONDS = 0.05


def load_ipython_extension(shell: Any) -> None:
    """Let the kernel keep outputs until they are read, and leave word of a crash."""
    # Tasks and flows that cells call are runs within the cells'.
    set_ambient(_sent)
    if getattr(shell, "kernel", None) is not None:
        _tell_of_crashes()
        _exit_in_time()
        _send_often()
        _lift_output_limit()
        shell.events.register("pre_execute", _lift_output_limit)
        preload()


def _sent() -> Any:
    # Asked for by the first task or flow that a cell calls: a kernel starts a fifth
    # faster without it.
    from nborch.notebook.sent import sent_context

    return sent_context()


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


def _send_often() -> None:
    # What is printed in a fifth of a second may be many megabytes, which the runner
    # then has to hold several times over.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "flush_interval"):
            stream.flush_interval = _FLUSH_SECONDS


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
