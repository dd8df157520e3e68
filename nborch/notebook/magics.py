"""The IPython extension: ``%load_ext nborch`` and then ``%%task``."""

from typing import Any

from nborch.notebook.analysis import analyse
from nborch.notebook.session import CellSession

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

MAGIC = "%%task"
#: The shell's attribute that holds the session while the extension is loaded.
SLOT = "nborch"


def load_ipython_extension(shell: Any) -> None:
    """Make ``%%task`` known; loading twice is the same as once."""
    if not hasattr(shell, SLOT):
        setattr(shell, SLOT, CellSession(shell))
        shell.input_transformer_manager.line_transforms.insert(0, as_a_call)
        shell.register_magic_function(task, "cell", "task")


def unload_ipython_extension(shell: Any) -> None:
    """Forget ``%%task``, and end the session's run."""
    session = getattr(shell, SLOT, None)
    if session is not None:
        session.close()
        delattr(shell, SLOT)
        shell.input_transformer_manager.line_transforms.remove(as_a_call)
        shell.magics_manager.magics["cell"].pop("task", None)


def as_a_call(lines: list[str]) -> list[str]:
    r"""Turn a ``%%task`` cell into a call, as an input transformer of IPython.

    >>> as_a_call(["%%task load\n", "rows = 1\n"])
    ["get_ipython().nborch.run('%%task load', 'rows = 1\\n')\n"]

    A cell magic's body cannot await: the event loop is running already when the magic
    is called. A transformed cell can, because IPython itself awaits it.
    """
    if not lines or not is_task(lines[0]):
        return lines
    header, body = lines[0].rstrip("\n"), "".join(lines[1:])
    call = f"({header!r}, {body!r})\n"
    try:
        awaits = _awaits(body)
    except (SyntaxError, RecursionError):
        # IPython itself tells best of what is no Python, on the right line. Code that
        # is nested too deeply to be analysed runs like any other cell.
        return [f"# {header}\n", *lines[1:]]
    if awaits:
        return [f"await get_ipython().{SLOT}.run_async{call}"]
    return [f"get_ipython().{SLOT}.run{call}"]


def is_task(line: str) -> bool:
    """Tell whether a cell with this first line is a cell task.

    >>> is_task("%%task clean"), is_task("%%tasks"), is_task("%%task?")
    (True, False, False)
    """
    return line.split(maxsplit=1)[:1] == [MAGIC]


def _awaits(body: str) -> bool:
    from IPython import get_ipython

    shell = get_ipython()
    return analyse(shell.transform_cell(body) if shell else body).is_async


def task(line: str, cell: str) -> None:
    """%%task [NAME] [--refresh] [--no-cache]: run a cell once, then restore it.

    The names the cell reads are its inputs, the names it binds are its outputs. When
    neither its code nor an input has changed, the outputs and all that it showed are
    restored instead of computed, in this kernel and in any other.

    Examples::

        %%task clean
        flights = raw.dropna()

    --refresh     run the cell and replace what was kept
    --no-cache    run the cell and keep nothing
    """
    from IPython import get_ipython

    get_ipython().nborch.run(f"{MAGIC} {line}", cell)
