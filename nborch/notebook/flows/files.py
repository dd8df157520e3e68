"""A notebook in a file, as it is now: what it is called and which parameters it has."""

import inspect
import os
import re
from pathlib import Path
from typing import Any, NoReturn

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.loading import load_notebook
from nborch.notebook.parameters import Parameters, notebook_parameters

__all__ = ["NotebookFile", "title_of"]

_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def title_of(nb: Any) -> str | None:
    """Return the first heading of a notebook, without its marks.

    >>> from nbformat.v4 import new_markdown_cell, new_notebook
    >>> title_of(new_notebook(cells=[new_markdown_cell("# *Daily* report")]))
    'Daily report'
    """
    for cell in nb.cells:
        found = _HEADING.search(cell.source) if cell.cell_type == "markdown" else None
        if found is not None:
            return re.sub(r"[*_`]|\[(.*?)\]\(.*?\)", r"\1", found[1]) or None
    return None


class NotebookFile:
    """A notebook in a file, which may be edited at any time.

    >>> etl = NotebookFile("etl.ipynb")                          # doctest: +SKIP
    >>> etl.signature                                            # doctest: +SKIP
    <Signature (*, month: int = 1)>

    It is read when something is asked of it, and again when it has changed.

    Raises
    ------
    NotFound
        There is no such file.
    InvalidNotebook
        It cannot be read as a notebook.
    """

    # NB. What it is wrapped by takes over what is in a __dict__.
    __slots__ = ("_known", "_stamp", "name", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.name = self.path.stem
        # NB. Before it is read: an edit in between is seen at the next look.
        self._stamp = _stamp_of(self.path)
        self._known = self._read(load_notebook(path))  # errors name it as it was given

    def __call__(self, *_args: Any, **_parameters: Any) -> NoReturn:
        """Say that there is no function to be called."""
        raise InvalidDeclaration(
            f"The notebook '{self.path.name}' runs as a flow only. Call the flow "
            "itself, not its fn."
        )

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def __signature__(self) -> inspect.Signature:
        return self.signature

    def load(self) -> Any:
        """Return the notebook as a new object, the caller's to change."""
        return load_notebook(self.path)

    @property
    def title(self) -> str | None:
        """The first heading in it."""
        return self._current()[0]

    @property
    def parameters(self) -> Parameters:
        """What its parameters cells declare."""
        return self._current()[1]

    @property
    def signature(self) -> inspect.Signature:
        """Its parameters as those of a function that takes them by keyword."""
        return self.parameters.signature()

    def _current(self) -> tuple[str | None, Parameters]:
        """Return what is known of the notebook, read again if the file has changed."""
        stamp = _stamp_of(self.path)
        if stamp is None or stamp != self._stamp:
            self._known = self._read(self.load())
            self._stamp = stamp
        return self._known

    def _read(self, nb: Any) -> tuple[str | None, Parameters]:
        return title_of(nb), notebook_parameters(nb, self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)


def _stamp_of(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file from what it may become; None if there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
