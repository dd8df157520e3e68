"""Where submitted tasks run: threads, processes, clusters.

>>> from nborch.task_runners import ThreadPoolTaskRunner
>>> ThreadPoolTaskRunner(max_workers=4).max_workers
4
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ProcessPoolTaskRunner": "nborch.task_runners.processes",
    "TaskRunner": "nborch.task_runners.base",
    "ThreadPoolTaskRunner": "nborch.task_runners.threads",
}

# Loaded by __getattr__: who runs in threads need not load what starts processes.
__all__ = ["ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
