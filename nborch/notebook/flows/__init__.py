"""Notebooks as flows: a notebook in a file that is called like a function.

- `declaring`: `notebook_flow`, which makes one
- `callable`: what it makes, and what a call of it does
- `files`, `setups`: the notebook in its file, and how it is run
- `attempts`, `forms`: one attempt at it, and the form that papermill gives documents
- `turns`, `warming`: many runs at a time
"""

from nborch.notebook.flows.callable import NotebookFlow
from nborch.notebook.flows.declaring import notebook_flow

__all__ = ["NotebookFlow", "notebook_flow"]
