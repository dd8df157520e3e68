"""Workflow orchestration inside Jupyter.

>>> from nborch import flow, task

Names are loaded from their modules at first use, so that importing the package
costs next to nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Flow": "nborch.flows",
    "State": "nborch.states",
    "Task": "nborch.tasks",
    "flow": "nborch.flows",
    "get_run_logger": "nborch.logs",
    "load_ipython_extension": "nborch.notebook.magics",
    "task": "nborch.tasks",
    "unload_ipython_extension": "nborch.notebook.magics",
}

# Loaded by __getattr__.
__all__ = ["Flow", "State", "Task", "flow", "get_run_logger", "task"]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nborch' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
