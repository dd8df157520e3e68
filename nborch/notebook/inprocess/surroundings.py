"""What a kernel has to itself and a notebook in this process borrows."""

import builtins
import getpass
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from nborch.notebook.inprocess.streams import Prints, routed_threads

__all__ = ["borrow", "refuse_input"]

_INLINE = "module://matplotlib_inline.backend_inline"

_QUIET = (
    ResourceWarning,
    ImportWarning,
    PendingDeprecationWarning,
    DeprecationWarning,
)


def borrow(main: ModuleType, cwd: str | None, env: Mapping[str, str]) -> ExitStack:
    """Lend the process to a notebook; closing what is returned takes it back.

    Parameters
    ----------
    main
        What ``__main__`` shall be.
    """
    with ExitStack() as stack:
        give_back = stack.callback
        give_back(os.chdir, Path.cwd())
        os.chdir(cwd or ".")
        give_back(os.environ.update, dict(os.environ))
        give_back(os.environ.clear)
        os.environ.clear()
        os.environ.update(env)
        os.environ.setdefault("MPLBACKEND", _INLINE)
        give_back(sys.path.__setitem__, slice(None), list(sys.path))
        if "" not in sys.path:
            sys.path.insert(0, "")
        give_back(_forget_modules, set(sys.modules), Path.cwd())
        give_back(sys.modules.update, {"__main__": sys.modules["__main__"]})
        sys.modules["__main__"] = main
        give_back(_restore_builtins, dict(vars(builtins)))
        give_back(setattr, getpass, "getpass", getpass.getpass)
        getpass.getpass = refuse_input
        give_back(_restore_shell())
        stack.enter_context(warnings.catch_warnings())
        _warn_as_python_does()
        nothing = stack.enter_context(Path(os.devnull).open("r"))
        for name, stream in (
            ("stdin", nothing),
            ("stdout", Prints("stdout", sys.stdout)),
            ("stderr", Prints("stderr", sys.stderr)),
        ):
            give_back(setattr, sys, name, getattr(sys, name))
            setattr(sys, name, stream)
        stack.enter_context(routed_threads())
        return stack.pop_all()


def refuse_input(*_prompt: object, **_options: object) -> str:
    """Refuse to ask: nobody is there."""
    from IPython.core.error import StdinNotImplementedError

    raise StdinNotImplementedError(
        "raw_input was called, but this frontend does not support input requests."
    )


def _warn_as_python_does() -> None:
    """Filter warnings as a new Python does, and write them below the cell."""

    def show(  # noqa: PLR0913, PLR0917 - as warnings.showwarning
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)

    warnings.showwarning = show
    warnings.resetwarnings()
    for category in _QUIET:
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")


def _restore_builtins(before: dict[str, Any]) -> None:
    for name in ("get_ipython", "display", "__IPYTHON__", "input", "exit", "quit"):
        if name in before:
            setattr(builtins, name, before[name])
        else:
            with suppress(AttributeError):
                delattr(builtins, name)


def _restore_shell() -> Callable[[], None]:
    """Return what makes the shell of this process, if it has one, its shell again."""
    from IPython.core.interactiveshell import InteractiveShell

    before = InteractiveShell._instance  # noqa: SLF001 - there is no other way

    def restore() -> None:
        InteractiveShell._instance = before  # noqa: SLF001

    return restore


def _forget_modules(before: set[str], folder: Path) -> None:
    """Forget the modules that lie beside the notebook: others have others."""
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is None or "site-packages" in Path(file).parts:
            continue
        if Path(file).resolve().is_relative_to(folder.resolve()):
            del sys.modules[name]
