"""The IPython extension: ``%load_ext nborch``, then ``%%task`` and ``%%flow``."""

import os
import sys
from typing import Any

from nborch.notebook.analysis import analyse
from nborch.notebook.headers.completion import HeaderCompletion
from nborch.notebook.headers.manual import manual
from nborch.notebook.headers.options import FLOW, TASK
from nborch.notebook.reruns import magic as reruns
from nborch.notebook.session import CellSession

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

#: The shell's attribute that holds the session while the extension is loaded.
SLOT = "nborch"


def load_ipython_extension(shell: Any) -> None:
    """Make the magics known; loading twice is the same as once."""
    if not hasattr(shell, SLOT):
        session = CellSession(shell)
        setattr(shell, SLOT, session)
        shell.input_transformer_manager.line_transforms.insert(0, as_a_call)
        shell.register_magic_function(task, "cell", "task")
        shell.register_magic_function(flow, "cell", "flow")
        matchers = shell.Completer.custom_matchers
        matchers.append(HeaderCompletion(shell, session.seen))
        reruns.install(shell, session.notes.history)


def unload_ipython_extension(shell: Any) -> None:
    """Forget the magics, and end the session's run."""
    session = getattr(shell, SLOT, None)
    if session is not None:
        session.close()
        reruns.uninstall(shell)
        delattr(shell, SLOT)
        shell.input_transformer_manager.line_transforms.remove(as_a_call)
        for name in ("task", "flow"):
            shell.magics_manager.magics["cell"].pop(name, None)
        matchers = shell.Completer.custom_matchers
        matchers[:] = [m for m in matchers if not isinstance(m, HeaderCompletion)]


def as_a_call(lines: list[str]) -> list[str]:
    r"""Turn a ``%%task`` cell into a call, as an input transformer of IPython.

    >>> as_a_call(["%%task load\n", "rows = 1\n"])
    ["get_ipython().nborch.run('%%task load', 'rows = 1\\n')\n"]

    A cell magic's body cannot await: the event loop is running already when the magic
    is called. A transformed cell can, because IPython itself awaits it.
    """
    method = _METHODS.get(_first_word(lines[0])) if lines else None
    if method is None:
        return lines
    header, body = lines[0].rstrip("\n"), "".join(lines[1:])
    plain = [f"# {header}\n", *lines[1:]]
    if _is_measured():
        # Whoever measures a cell means its body, each time.
        return plain
    try:
        awaits = _awaits(body)
    except (SyntaxError, RecursionError):
        # IPython itself tells best of what is no Python, on the right line. Code that
        # is nested too deeply to be analysed runs like any other cell.
        return plain
    call = f"({header!r}, {body!r})\n"
    if awaits:
        return [f"await get_ipython().{SLOT}.{method}_async{call}"]
    return [f"get_ipython().{SLOT}.{method}{call}"]


#: What the session runs a cell with, by its magic.
_METHODS = {TASK: "run", FLOW: "run_flow"}


def is_task(line: str) -> bool:
    """Tell whether a cell with this first line is a cell task.

    >>> is_task("%%task clean"), is_task("%%tasks"), is_task("%%task?")
    (True, False, False)
    """
    return _first_word(line) == TASK


def is_flow(line: str) -> bool:
    """Tell whether a cell with this first line is a cell flow.

    >>> is_flow("%%flow nightly"), is_flow("%%task")
    (True, False)
    """
    return _first_word(line) == FLOW


def _first_word(line: str) -> str:
    return next(iter(line.split(maxsplit=1)), "")


def _is_measured() -> bool:
    """Tell whether IPython transforms the cell for ``%%timeit`` or ``%%prun``."""
    frame = sys._getframe()  # noqa: SLF001  # nothing else tells who asks
    while frame.f_back is not None:
        frame = frame.f_back
        code = frame.f_code
        if code.co_name in {"timeit", "prun"} and code.co_filename.endswith(_MAGICS):
            return True
        if code.co_name == "run_cell_async":
            # The cell itself: what called it measures something else.
            return False
    return False


_MAGICS = os.path.join("IPython", "core", "magics", "execution.py")  # noqa: PTH118


def _awaits(body: str) -> bool:
    from IPython import get_ipython

    shell = get_ipython()
    # NB. The very text that the cell itself will ask about: it is analysed once.
    return analyse("\n" + (shell.transform_cell(body) if shell else body)).is_async


def task(line: str, cell: str) -> None:
    """Run a cell once, then restore it."""
    from IPython import get_ipython

    get_ipython().nborch.run(f"{TASK} {line}", cell)


def flow(line: str, cell: str) -> None:
    """Run a cell as one flow run."""
    from IPython import get_ipython

    get_ipython().nborch.run_flow(f"{FLOW} {line}", cell)


# What ``%%task?`` shows.
task.__doc__, flow.__doc__ = manual(TASK), manual(FLOW)
