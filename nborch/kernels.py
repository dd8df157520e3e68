"""Kernels: what is different where this process is the kernel of a notebook."""

import sys
import threading
import weakref
from typing import Any

__all__ = ["is_kernel", "wake_on_signals"]

_woken: weakref.WeakSet[Any] = weakref.WeakSet()


def is_kernel() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    app = sys.modules.get("ipykernel.kernelapp")
    return app is not None and bool(app.IPKernelApp.initialized())


def wake_on_signals(loop: Any) -> None:
    """Let a kernel's loop see at once that a cell which awaits is interrupted.

    Python notes a signal and goes on waiting until the next thing happens, which for
    ``await asyncio.sleep(3600)`` is in an hour. ``asyncio.run`` wakes its loop itself;
    the loop of a Jupyter kernel has to be told to.
    """
    # Other programs' signals are their own business.
    if loop in _woken or not is_kernel():
        return
    if threading.current_thread() is not threading.main_thread():
        return
    # Who has no kernel need not load them (law 7).
    import signal
    import socket

    _woken.add(loop)
    known = signal.set_wakeup_fd(-1)
    if known != -1:
        # Somebody else has seen to it.
        signal.set_wakeup_fd(known)
        return
    hears, tells = socket.socketpair()
    for end in (hears, tells):
        end.settimeout(0)
    # That there is something to read is the message. The loop keeps the one that hears,
    # and with it the other.
    loop.add_reader(hears, _read, hears, tells)
    signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)


def _read(hears: Any, _tells: Any) -> None:
    hears.recv(4096)
