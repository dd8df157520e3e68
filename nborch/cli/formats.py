"""The notebook format, loaded without what no notebook needs."""

import importlib
import sys

__all__ = ["load_format"]

#: Where it is installed, jsonschema builds its grammar of international addresses when
#: it is imported. That takes longer than anything else that a command does.
_GRAMMAR = "rfc3987_syntax"


def load_format() -> None:
    """Import nbformat in a fraction of its time; for commands, which own the process.

    After this, jsonschema does not check texts of the format ``iri``, of which there
    are none in a notebook.
    """
    if "jsonschema" in sys.modules or _GRAMMAR in sys.modules:
        return
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]  # what stops an import
    try:
        importlib.import_module("jsonschema")
    finally:
        # A notebook in this process may want it.
        del sys.modules[_GRAMMAR]
