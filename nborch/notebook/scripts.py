"""Notebooks that are kept as scripts, which jupytext reads: ``nborch run etl.py``."""

import re
from pathlib import Path
from typing import Any

from nborch.exceptions import InvalidNotebook

__all__ = ["is_script", "read_script"]

#: Files that jupytext reads as notebooks.
_SUFFIXES = frozenset({".py", ".md", ".Rmd", ".qmd", ".R", ".r", ".jl"})
#: What a script has that is a notebook: cells, or jupytext's own header.
_CELLS = re.compile(r"^(# ?%%|# \+|# ---\s*\n(#.*\n)*?# jupyter:)", re.MULTILINE)
_FLOWS = re.compile(r"^@(nborch\.)?(flow|task)\b", re.MULTILINE)


def is_script(path: Path) -> bool:
    """Tell whether a file is of a kind that holds no JSON.

    >>> is_script(Path("etl.py")), is_script(Path("etl.ipynb"))
    (True, False)
    """
    return path.suffix in _SUFFIXES


def read_script(text: str, path: Path) -> Any:
    """Return the notebook that a script is.

    Raises
    ------
    InvalidNotebook
        If it is a plain module, or jupytext is not installed.
    """
    if path.suffix == ".py" and not _CELLS.search(text):
        if _FLOWS.search(text):
            raise InvalidNotebook(
                f"'{path}' is a module with tasks and flows, not a notebook. Run it "
                f"with: python {path}"
            )
        raise InvalidNotebook(
            f"'{path}' is a Python module, not a notebook: it has no cells. Begin each "
            "of them with a line '# %%', as jupytext does."
        )
    try:
        import jupytext
    except ImportError as missing:
        raise InvalidNotebook(
            f"'{path}' is a notebook as a script, which jupytext reads. Install it "
            "with: pip install 'nborch[jupytext]'"
        ) from missing
    try:
        return jupytext.reads(text, fmt={"extension": path.suffix})
    except Exception as problem:
        told = str(problem).partition("\n")[0]
        raise InvalidNotebook(
            f"jupytext cannot read '{path}' as a notebook: {told}."
        ) from problem
