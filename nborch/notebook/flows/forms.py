"""The form that papermill gives a notebook before and after it runs.

papermill's own `execute_notebook` reads and writes in the process's current folder,
which several notebooks at once would disturb, and writes in place. So a notebook flow
asks it only for what it alone can do: values in other languages, and remote places.
"""

import re
from collections.abc import Mapping
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.documents import is_local
from nborch.notebook.parameters import Injection, inject, shown_values
from nborch.notebook.parameters.declared import is_python
from nborch.notebook.parameters.for_papermill import apply_parameters

__all__ = ["ERROR_TAG", "marked", "parameterised", "write_remote"]

#: papermill takes cells with this tag away when the notebook is run again.
ERROR_TAG = "papermill-error-cell-tag"
_ANCHOR = "papermill-error-cell"
_STYLE = "color: #b3261e; font-size: 1.3em"


def parameterised(
    nb: Any,
    given: Mapping[str, Any],
    kernel_name: str,
    *,
    source: str,
    output: str | None,
) -> tuple[Any, Injection]:
    """Return a notebook as it is to be executed, with a cell of the given parameters.

    With it comes what the run has to do beyond executing the cells.

    Parameters
    ----------
    nb
        As it was loaded; it is changed.
    source, output
        The paths, which papermill notes in the document.
    """
    nb.cells = [c for c in nb.cells if ERROR_TAG not in c.metadata.get("tags", [])]
    for cell in nb.cells:
        cell.metadata.setdefault("tags", [])
        cell.metadata.setdefault("papermill", {})
    about = nb.metadata.setdefault("papermill", {})
    about.update({"default_parameters": {}, "parameters": {}})
    about.setdefault("environment_variables", {})
    about["version"] = _version()
    injection = Injection()
    language = _language_of(kernel_name)
    if given and is_python(nb, language):
        injection = inject(nb, given, notebook=source)
        about["parameters"] = shown_values(given)
    elif given:
        # Half a second, which others need not pay.
        from papermill.exceptions import PapermillException
        from papermill.parameterize import parameterize_notebook

        try:
            nb = parameterize_notebook(
                nb,
                dict(given),
                kernel_name=kernel_name,
                language=language,
                engine_name="nborch",
            )
        except PapermillException as error:
            raise InvalidDeclaration(
                f"'{source}' takes no parameters: nobody can write values in the "
                f"language {language or 'that it is in'!r} of the kernel "
                f"{kernel_name!r}."
            ) from error
        _, injection = apply_parameters(nb, source, kernel_name)
    nb.metadata.papermill.update({"input_path": source, "output_path": output})
    return nb, injection


def marked(nb: Any, index: int, what: str) -> Any:
    """Return a notebook with a line at its top that leads to where its run ended.

    Parameters
    ----------
    nb
        The executed notebook, which stays as it is; its cells are shared.
    index
        The place of the cell that ended the run.
    what
        The error in one line.
    """
    from nbformat import NotebookNode
    from nbformat.v4 import new_markdown_cell

    plain = escape(re.sub(r"\s+", " ", what))[:500]
    lead = (
        f'<span style="{_STYLE}">The run ended at <a href="#{_ANCHOR}">'
        f"cell {index + 1}</a>: {plain}</span>"
    )
    anchor = f'<span id="{_ANCHOR}" style="{_STYLE}">The run ended here:</span>'
    cells = list(nb.cells)
    for place, text in ((index, anchor), (0, lead)):
        cells.insert(place, new_markdown_cell(text, metadata={"tags": [ERROR_TAG]}))
    return NotebookNode({**nb, "cells": cells})


def write_remote(nb: Any, output: str | None) -> None:
    """Write a notebook where papermill can write and files cannot: ``s3://...``."""
    if output is not None and not is_local(output):
        from papermill.iorw import write_ipynb

        write_ipynb(nb, output)


def _language_of(kernel_name: str) -> str | None:
    """Return the language of an installed kernel, None if it does not say."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(kernel_name)
    except NoSuchKernel:
        return None  # that of this very process
    return spec.language or None


def _version() -> str:
    try:
        return version("papermill")
    except PackageNotFoundError:
        return ""
