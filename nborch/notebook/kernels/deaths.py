"""How the process of a kernel ended, in words."""

import re
import signal
from contextlib import suppress
from pathlib import Path

__all__ = ["describe_death", "out_of_memory_kills", "without_kernel_frames"]

_KERNEL_FRAME = re.compile(r'\n *File "[^"]*interactiveshell\.py", line ')


def describe_death(code: int | None, *, out_of_memory: bool | None = None) -> str:
    """Return how a process ended, in words.

    >>> describe_death(3)
    'The kernel ended with exit code 3.'
    >>> describe_death(-11)
    'The kernel was killed by SIGSEGV: compiled code in it crashed.'

    Parameters
    ----------
    out_of_memory
        Whether the system killed a process for want of memory in the meantime; None
        if the system does not tell.
    """
    if code is None:
        return "The kernel died."
    if code >= 0:
        return f"The kernel ended with exit code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    because = ""
    if name == "SIGKILL":
        because = _MEMORY[out_of_memory]
    elif name in {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"}:
        because = ": compiled code in it crashed"
    return f"The kernel was killed by {name}{because}."


_MEMORY = {
    True: ", most likely because it ran out of memory",
    False: "; the system was not short of memory at that time",
    None: ", which means that it likely ran out of memory, or that somebody killed it",
}


def out_of_memory_kills() -> int | None:
    """Return how many processes the system has killed for want of memory.

    None where the system keeps no such count (it is Linux that does).
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def without_kernel_frames(words: str) -> str:
    """Return what a process wrote, cut where the user's code ends in a stack."""
    return _KERNEL_FRAME.split(words, maxsplit=1)[0].strip()
