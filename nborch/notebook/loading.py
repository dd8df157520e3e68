"""What can be found wrong before a run: the file, the kernel, the place to write.

Nothing here starts a kernel: what is wrong is said in a sentence, within milliseconds.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nborch.exceptions import (
    InvalidDeclaration,
    InvalidNotebook,
    NotFound,
    did_you_mean,
)
from nborch.notebook.documents import is_local
from nborch.notebook.kernels.base import INPROCESS
from nborch.notebook.scripts import is_script, read_script

__all__ = ["check_output", "find_kernel", "load_notebook"]

_NEWEST_FORMAT = 4
_OLDEST_FORMAT = 3
_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def load_notebook(path: str | os.PathLike[str]) -> Any:
    """Return the notebook in a file, in format 4, or say what is wrong with the file.

    >>> load_notebook("flihgts.ipynb")                         # doctest: +SKIP
    Traceback (most recent call last):
    nborch.exceptions.NotFound: There is no notebook 'flihgts.ipynb'. Did you mean ...

    An older format is converted in memory; the file stays as it is. Cells without an
    id or tags get them. A script (``etl.py`` with ``# %%`` lines) is read by jupytext.

    Raises
    ------
    NotFound
        If the file does not exist.
    InvalidNotebook
        If it cannot be read as a notebook.
    """
    text = _read(Path(path), str(path))
    if is_script(Path(path)):
        return _upgrade(dict(read_script(text, Path(path))), str(path))
    return _upgrade(_parse(text, str(path)), str(path))


def find_kernel(nb: Any, override: str | None = None) -> str:
    """Return the name of the kernel that the notebook shall run in.

    >>> find_kernel(nb, override="pyhton3")                    # doctest: +SKIP
    Traceback (most recent call last):
    nborch.exceptions.NotFound: No kernel named 'pyhton3' is installed. Did you mean ...

    The override comes first, then what the notebook asks for, and for a notebook that
    asks for none the kernel of this very Python.

    Raises
    ------
    NotFound
        If no such kernel is installed; the message lists those that are.
    """
    from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager

    asked = nb.metadata.get("kernelspec", {}).get("name")
    name = str(override or asked or NATIVE_KERNEL_NAME)
    known = sorted(KernelSpecManager().find_kernel_specs())
    if name == INPROCESS or name in known:
        return name
    raise NotFound(
        f"No kernel named {name!r} is installed.{did_you_mean(name, known)} "
        f"Installed kernels: {', '.join(known) or 'none'}."
        + ("" if override else " Choose one of them with: --kernel NAME")
    )


def check_output(
    path: str | os.PathLike[str] | None,
    source: str | os.PathLike[str] | None = None,
) -> None:
    """Raise if the output notebook could not be written, before hours have been spent.

    >>> check_output("no/such/folder/out.ipynb")               # doctest: +SKIP
    Traceback (most recent call last):
    nborch.exceptions.NotFound: The folder 'no/such/folder' does not exist. Create ...

    Parameters
    ----------
    source
        The input notebook, which must not be written over.

    Raises
    ------
    NotFound
        If the folder does not exist.
    InvalidDeclaration
        If the path is a folder or the input itself, or may not be written.
    """
    if path is None or not is_local(path):
        return
    target, folder = Path(path), Path(path).parent
    if target.is_dir():
        raise InvalidDeclaration(
            f"The output '{path}' is a folder. Name a file in it: "
            f"'{target / 'output.ipynb'}'."
        )
    if not folder.exists():
        raise NotFound(
            f"The folder '{folder}' of the output does not exist. Create it with: "
            f"mkdir -p '{folder}'"
        )
    if not folder.is_dir():
        raise InvalidDeclaration(
            f"The output '{path}' cannot be written: '{folder}' is not a folder."
        )
    if source is not None and target.exists() and Path(source).exists():
        same = target.samefile(source)
        if same:
            raise InvalidDeclaration(
                f"The output '{path}' is the input notebook itself, which would be "
                "overwritten. Name another file."
            )
    # NB. The file is replaced by a new one, so it is the folder that must be writable.
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidDeclaration(
            f"The output '{path}' cannot be written: this user may not create files "
            f"in '{folder}'."
        )
    if target.exists() and not os.access(target, os.W_OK):
        raise InvalidDeclaration(
            f"The output '{path}' exists and is write-protected. Name another file, "
            "or make it writable."
        )


def _read(path: Path, name: str) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(_missing(path, name)) from None
    except IsADirectoryError:
        inside = sorted(found.name for found in path.glob("*.ipynb"))
        hint = f" It contains: {', '.join(inside[:5])}." if inside else ""
        raise InvalidNotebook(f"'{name}' is a folder, not a notebook.{hint}") from None
    except OSError as error:
        raise InvalidNotebook(
            f"The notebook '{name}' cannot be read: {error.strerror or error}."
        ) from error
    try:
        # Some editors on Windows put an invisible mark before the first byte.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidNotebook(
            f"'{name}' is not a notebook: byte {error.start + 1} is not UTF-8 text."
        ) from error


def _missing(path: Path, name: str) -> str:
    if path.is_symlink():
        return f"The notebook '{name}' is a link to '{path.readlink()}', which is gone."
    if not path.parent.exists():
        return (
            f"There is no notebook '{name}': the folder '{path.parent}' does not exist."
        )
    near = sorted(found.name for found in path.parent.glob("*.ipynb"))
    return f"There is no notebook '{name}'.{did_you_mean(path.name, near)}"


def _parse(text: str, name: str) -> dict[str, Any]:
    if not text.strip():
        raise InvalidNotebook(f"The notebook '{name}' is empty: not even one cell.")
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise InvalidNotebook(
            f"'{name}' is not a notebook: it is nested too deeply to be read."
        ) from error
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        hint = ""
        if "<<<<<<<" in text:
            hint = (
                " It holds the marks of a merge conflict (<<<<<<<): resolve it first."
            )
        raise InvalidNotebook(
            f"'{name}' is not a notebook: line {error.lineno}, column {error.colno} "
            f"is no valid JSON ({what}).{hint}"
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("nbformat"), int):
        raise InvalidNotebook(
            f"'{name}' is valid JSON but not a notebook: it has no 'nbformat' number."
        )
    return found


def _upgrade(found: dict[str, Any], name: str) -> Any:
    import nbformat
    from nbformat.validator import NotebookValidationError

    version = found["nbformat"]
    if not _OLDEST_FORMAT <= version <= _NEWEST_FORMAT:
        reason = (
            "this version of nbformat does not know it. Upgrade with: "
            f"{sys.executable} -m pip install --upgrade nbformat"
            if version > _NEWEST_FORMAT
            else "it is too old. Open and save it in Jupyter first."
        )
        raise InvalidNotebook(f"'{name}' is in notebook format {version}: {reason}")
    if version < _NEWEST_FORMAT:
        try:
            # NB. Files hold texts as lists of lines, which its own converter cannot.
            whole = nbformat.v3.nbjson.JSONReader().to_notebook(found)
            return nbformat.convert(whole, _NEWEST_FORMAT)
        except Exception as error:
            raise InvalidNotebook(
                f"'{name}' is in notebook format {version} and cannot be converted "
                f"to format {_NEWEST_FORMAT}: {error}. Open and save it in Jupyter."
            ) from error
    _complete(found, name)
    nb = nbformat.v4.to_notebook(found)
    try:
        nbformat.validate(nb)
    except NotebookValidationError as error:
        first = str(error).partition("\n")[0].strip()
        raise InvalidNotebook(
            f"'{name}' is not a valid notebook: {first}. Open and save it in Jupyter."
        ) from error
    return nb


def _complete(found: dict[str, Any], name: str) -> None:
    """Add what a hand-written notebook lacks and a run needs."""
    found.setdefault("nbformat_minor", 5)
    found.setdefault("metadata", {})
    cells = found.get("cells")
    if not isinstance(cells, list):
        raise InvalidNotebook(f"'{name}' is not a notebook: it has no list of cells.")
    for number, cell in enumerate(cells, start=1):
        kind = cell.get("cell_type") if isinstance(cell, Mapping) else None
        if kind not in {"code", "markdown", "raw"}:
            raise InvalidNotebook(
                f"Cell {number} of '{name}' is of no known type ({kind!r}). A cell is "
                "'code', 'markdown' or 'raw'."
            )
        cell.setdefault("metadata", {})
        cell.setdefault("source", "")
        if kind == "code":
            cell.setdefault("outputs", [])
            cell.setdefault("execution_count", None)
    if (found["nbformat"], found["nbformat_minor"]) >= (4, 5):
        _name_cells(cells)


def _name_cells(cells: list[Any]) -> None:
    """Give an id to the cells that have none, or one that another cell has."""
    taken: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        name = str(cell.get("id", ""))
        if not _CELL_ID.fullmatch(name) or name in taken:
            name = f"cell-{number}"
            while name in taken:
                name += "-"
        cell["id"] = name
        taken.add(name)
