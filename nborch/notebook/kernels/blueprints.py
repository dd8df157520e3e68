"""What two kernels must have in common for one to stand in for the other."""

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PRELOAD", "Blueprint", "Wish"]

#: Tells a kernel that is kept warm what to import meanwhile.
PRELOAD = "NBORCH_KERNEL_PRELOAD"

# What an interpreter or a library reads once, at its start: it cannot be changed later.
_READ_AT_START = re.compile(
    r"(PYTHON|IPY|JUPYTER|JPY_|PYDEVD|LD_|DYLD_|LC_|MALLOC|COV|OMP_|KMP_|MKL|OPENBLAS|BLIS"
    r"|NUMEXPR|NUMBA|VECLIB|POLARS|RAYON|CUDA|MPL|TMP|TEMP"
    r"|(LANG|LANGUAGE|TZ|HOME|VIRTUAL_ENV|NO_COLOR)$)"
)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All that is settled once a kernel has started.

    Two kernels with equal blueprints cannot be told apart after the working folder and
    the other variables have been set.

    Parameters
    ----------
    variables
        The environment, as far as it is read at the start.
    limits
        Resource limits, file mode mask and processors, which a child inherits.
    every
        Whether all variables count, but for our own.
    """

    name: str
    argv: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    limits: tuple[Any, ...]
    preload: tuple[str, ...]
    cwd: str | None = None
    every: bool = False

    def environ(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the variables to start a kernel with.

        Parameters
        ----------
        own
            This process's: those of a run, which may be secret, are not for a kernel
            that another run may get. They are set when it is taken.
        """
        others = {n: v for n, v in own.items() if not _counts(n, every=self.every)}
        return {**others, **dict(self.variables)}


@dataclass(frozen=True, slots=True)
class Wish:
    """A kernel that somebody needs, or is likely to need.

    Parameters
    ----------
    env
        All variables that it shall find.
    """

    name: str
    env: Mapping[str, str]
    cwd: str | None = None

    def blueprint(self, spec: Any, preload: tuple[str, ...]) -> Blueprint | None:
        """Return what a kernel must be like to grant it; None if none can be kept.

        Parameters
        ----------
        spec
            The kernel specification of that name.
        """
        paths = self.env.get("PYTHONPATH")
        entries = paths.split(os.pathsep) if paths else []
        if not all(Path(entry).is_absolute() for entry in entries):
            # Such an entry means a folder below the one where Python starts.
            return None
        early = _runs_code_early(self.env)
        # NB. The user's own modules may read any variable when they are imported.
        every = bool(preload or early or spec.env)
        return Blueprint(
            self.name,
            (sys.executable, *spec.argv, *map(str, sorted(spec.env.items()))),
            tuple(
                sorted(
                    (name, value)
                    for name, value in self.env.items()
                    if _counts(name, every=every)
                )
            ),
            _inherited(),
            preload,
            (self.cwd or str(Path.cwd())) if early else None,
            every,
        )


def _counts(name: str, *, every: bool) -> bool:
    """Return whether a variable is settled once a kernel has started."""
    own = name.startswith("NBORCH_")
    return (every and not own) or _READ_AT_START.match(name) is not None


def _runs_code_early(env: Mapping[str, str]) -> bool:
    """Return whether IPython runs files of the user's before the first cell."""
    folder = env.get("IPYTHONDIR") or Path(env.get("HOME", "~")) / ".ipython"
    startup = Path(folder).expanduser() / "profile_default" / "startup"
    files = (*startup.glob("*.py"), *startup.glob("*.ipy"))
    return bool(files) or bool(env.get("PYTHONSTARTUP"))


def _inherited() -> tuple[Any, ...]:
    """Return what a child process gets from this one beside its variables."""
    found: list[Any] = []
    with suppress(ImportError):
        import resource

        names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
        for name in names:
            with suppress(ValueError, OSError):
                found.append((name, resource.getrlimit(getattr(resource, name))))
    if hasattr(os, "getpriority"):
        found.append(os.getpriority(os.PRIO_PROCESS, 0))
    if hasattr(os, "sched_getaffinity"):
        found.append(tuple(sorted(os.sched_getaffinity(0))))
    with suppress(OSError):
        status = Path("/proc/self/status").read_text("utf-8", "replace")
        found += [line for line in status.splitlines() if line.startswith("Umask")]
    return tuple(found)
