"""What happens within a warm kernel: at its start, and when a run takes it over."""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from nborch.notebook.kernels.blueprints import PRELOAD

__all__ = ["preload", "request", "take_over"]


def preload() -> None:
    """Import the modules that the pool was asked to have ready."""
    for name in os.environ.pop(PRELOAD, "").split(","):
        try:
            if name:
                importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - the notebook's own import tells
            print(f"{name} could not be preloaded: {error!r}", file=sys.__stderr__)


def request(
    *,
    cwd: str,
    changed: Mapping[str, str],
    removed: Sequence[str],
    extensions: Sequence[str],
) -> str:
    """Return the code that lets a kernel `take_over`; it binds no name.

    >>> request(cwd="/", changed={}, removed=[], extensions=[]).partition(".take_")[0]
    "__import__('nborch.notebook.kernels.takeover', fromlist=['_'])"

    Parameters
    ----------
    changed, removed
        What must change in the environment that the kernel was started with.
    """
    told = json.dumps(
        {
            "cwd": cwd,
            "changed": dict(changed),
            "removed": list(removed),
            "extensions": list(extensions),
        }
    )
    return f"__import__({__name__!r}, fromlist=['_']).take_over({told!r})"


def take_over(told: str) -> None:
    """Make a kernel that has waited look like one that was started for this run."""
    from IPython import get_ipython

    wanted = json.loads(told)
    shell: Any = get_ipython()
    os.chdir(wanted["cwd"])
    for name in wanted["removed"]:
        os.environ.pop(name, None)
    os.environ.update(wanted["changed"])
    # The kernel has its own opinion of some variables, whatever they were.
    shell.init_environment()
    for extension in wanted["extensions"]:
        try:
            shell.extension_manager.load_extension(extension)
        except Exception:  # noqa: BLE001 - a kernel starts nevertheless
            traceback.print_exc(file=sys.__stderr__)
    # What is there before the first cell is nothing that the user has made.
    shell.user_ns_hidden.update(shell.user_ns)
    # What a search has found in another folder says nothing of this one.
    importlib.invalidate_caches()
    sys.path_importer_cache.pop(wanted["cwd"], None)
