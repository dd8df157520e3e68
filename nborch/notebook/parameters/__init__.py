"""A notebook's parameters: what it declares, what is given, and how it gets there.

- `declared`: the names, types, defaults and comments of the cells tagged so
- `hints`, `defaults`, `typed`, `fitting`, `checked`: their types, and what fits them
- `given`: values from a command line, a file, the environment
- `sources`, `following`, `injecting`, `reading`: the cell that sets them
- `for_papermill`: the same when papermill is called by itself
"""

from nborch.notebook.parameters.checked import (
    Parameters,
    SourceDefault,
    notebook_parameters,
)
from nborch.notebook.parameters.declared import (
    NO_VALUE,
    NotebookParameter,
    declared_parameters,
)
from nborch.notebook.parameters.given import (
    check_parameters,
    gather,
    parse_assignment,
)
from nborch.notebook.parameters.injecting import Injection, inject, shown_values
from nborch.notebook.parameters.reading import given_before

__all__ = [
    "NO_VALUE",
    "Injection",
    "NotebookParameter",
    "Parameters",
    "SourceDefault",
    "check_parameters",
    "declared_parameters",
    "gather",
    "given_before",
    "inject",
    "notebook_parameters",
    "parse_assignment",
    "shown_values",
]
