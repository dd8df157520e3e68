"""Frames: an output of a cell that is brought up to date from any thread."""

import sys
from contextvars import Context
from typing import Any
from uuid import uuid4

from nborch.kernels import is_kernel
from nborch.notebook.displays.posting import Post, posting
from nborch.notebook.displays.tapping import untapped

__all__ = ["Frame", "has_notebook", "shell_here"]


def shell_here() -> Any:
    """Return the IPython shell of this process, None if there is none."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def has_notebook(shell: Any) -> bool:
    """Tell whether what this shell shows ends up in a notebook."""
    # A shell of ours runs notebooks without a kernel.
    return shell is not None and (is_kernel() or hasattr(shell, "tell"))


class Frame:
    """One output of the cell that runs now.

    Made in the thread of that cell; it belongs to it whatever cell runs later.

    Parameters
    ----------
    shell
        The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._publisher = shell.display_pub
        self._transient = {"display_id": uuid4().hex}
        self._is_shown = False
        #: The request of the cell: equal for all frames of it.
        self.request: dict[str, Any] = _request(shell)
        #: What messages of widgets are to be sent in: they belong to the cell, too.
        self.around: Context = untapped()
        # What captures a cell's output stands in place of what sends it.
        sends = hasattr(self._publisher, "pub_socket")
        #: What shows things under the cell, if that can be done from any thread.
        self.post = (posting.get() or Post(shell)) if sends else None

    @property
    def takes_updates(self) -> bool:
        """Tell whether it can be brought up to date from any thread."""
        return self.post is not None

    @property
    def is_attended(self) -> bool:
        """Tell whether a person's front end has asked for the cell, as far as known."""
        is_notebook = "cellId" in self.request.get("metadata", {})
        return is_notebook and not self.is_of_program

    @property
    def is_one_page(self) -> bool:
        """Tell whether its output and the widgets are surely parts of one page.

        So it is in JupyterLab and Notebook 7. VS Code and others show an output in a
        frame of its own, in which there is a widget only where its view is shown.
        """
        cell = str(self.request.get("metadata", {}).get("cellId", ":"))
        return ":" not in cell  # VS Code's are addresses

    @property
    def is_of_program(self) -> bool:
        """Tell whether a program has asked for the cell: nobody answers its questions.

        It saves the notebook when the cell is over, and nothing of it is live.
        """
        content = self.request.get("content", {})
        return not content.get("allow_stdin", self.takes_updates)

    @property
    def cell(self) -> str:
        """What tells the execution of one cell from others."""
        return str(self.request.get("header", {}).get("msg_id", ""))

    def show(self, bundle: dict[str, Any]) -> None:
        """Show a bundle, in place of what was shown before."""
        publish = (self.post or self._publisher).publish
        publish(bundle, {}, transient=self._transient, update=self._is_shown)
        self._is_shown = True


def _request(shell: Any) -> dict[str, Any]:
    get_parent = getattr(getattr(shell, "kernel", shell), "get_parent", None)
    return dict(get_parent("shell") or {}) if get_parent is not None else {}
