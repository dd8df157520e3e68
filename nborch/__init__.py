"""Workflow orchestration inside Jupyter.

>>> from nborch import flow, task

Names are loaded from their modules at first use, so that importing the package
costs next to nothing.
"""

import os
import sys
from importlib import import_module
from typing import Any

from nborch.audience import set_audience, set_portraitist

__version__ = "0.1.0"

_HOMES = {
    "Flow": "nborch.flows",
    "Secret": "nborch.secrets",
    "State": "nborch.states",
    "Task": "nborch.tasks",
    "Transaction": "nborch.transactions",
    "allow_failure": "nborch.annotations",
    "deploy": "nborch",
    "flow": "nborch.flows",
    "get_run_logger": "nborch.logs",
    "load_ipython_extension": "nborch.notebook.magics",
    "notebook_flow": "nborch.notebook.flows",
    "result": "nborch.notebook.results.giving",
    "run_deployment": "nborch.deploy.triggering",
    "runtime": "nborch",
    "serve": "nborch.deploy.serving",
    "stop": "nborch.notebook.stopping",
    "tags": "nborch.context",
    "task": "nborch.tasks",
    "unload_ipython_extension": "nborch.notebook.magics",
    "unmapped": "nborch.annotations",
}

# Loaded by __getattr__.
__all__ = [
    "Flow",
    "Secret",
    "State",
    "Task",
    "Transaction",
    "allow_failure",
    "deploy",
    "flow",
    "get_run_logger",
    "notebook_flow",
    "result",
    "run_deployment",
    "runtime",
    "serve",
    "stop",
    "tags",
    "task",
    "unmapped",
]


# Who is asked where a run is to be seen: loaded in a notebook only.


def _see(context: Any) -> Any:
    if "IPython" not in sys.modules:
        return None
    return import_module("nborch.notebook.graphs.flows").run_begins(context)


def _portray(what: Any) -> Any:
    if "IPython" not in sys.modules:
        return None
    return import_module("nborch.notebook.portraits").looks_of(what)


set_audience(_see)
set_portraitist(_portray)
# What a forked child does belongs into no cell.
os.register_at_fork(after_in_child=lambda: set_audience(None))


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    home = _HOMES.get(name)
    if home is None:
        raise _missing(name)
    if home == __name__:
        return import_module(f"{home}.{name}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def _missing(name: str) -> Exception:
    # NB. Python asks for any module that it does not find, and for __path__ and such.
    if not name.startswith("_"):
        from nborch.absent import ABSENT, missing

        told = missing(name, __all__)
        # `from nborch import serve` would put words of Python's own in place of an
        # AttributeError's; any other error comes through.
        by = sys._getframe(2).f_globals.get("__name__")  # noqa: SLF001  # no other way
        if name in ABSENT and by == "importlib._bootstrap":
            return ImportError(told, name=__name__)
        return AttributeError(told, name=name)
    return AttributeError(f"module 'nborch' has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
