"""Entry points: where the code of a deployment is, written down and found again.

An entry point is JSON values, for it is kept with the deployment and read by other
processes::

    {"kind": "file",     "path": "/srv/etl.py", "name": "load", ...}
    {"kind": "module",   "module": "reports.daily", "name": "report", ...}
    {"kind": "notebook", "path": "/srv/etl.ipynb", "options": {...}, ...}
    {"kind": "value",    "digest": "...", "name": "load", ...}

Each has ``folder``, where the code works, and ``path_entries``, what its imports need.
A *value* is code that no file holds, such as a flow defined in a notebook's cell: it is
kept pickled in the home; see `nborch.deploy.parcels`.
"""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from nborch.exceptions import InvalidDeclaration, NotFound, did_you_mean
from nborch.runs import RunKind

__all__ = [
    "describe",
    "file_version",
    "find_flow",
    "flow_in",
    "is_flow",
    "load_file",
    "loading",
    "parse_reference",
    "surroundings",
    "told",
    "while_loading",
]


#: Whether a program is being loaded for a flow in it. That it serves or deploys its
#: flows, in lines outside ``if __name__ == "__main__"``, is not meant then.
loading: ContextVar[bool] = ContextVar("nborch_loading", default=False)


@contextmanager
def while_loading() -> Iterator[None]:
    """Take what the block loads for a program that is only read, not run."""
    token = loading.set(True)
    try:
        yield
    finally:
        loading.reset(token)


def is_flow(thing: object) -> bool:
    """Tell whether a thing is a flow, of a function or of a notebook."""
    spec = getattr(thing, "spec", None)
    return getattr(spec, "kind", None) is RunKind.FLOW


def describe(flow: Any) -> dict[str, Any] | None:
    """Return the entry point of a flow that stands in a file; None if none does."""
    module = sys.modules.get(flow.__module__ or "")
    name = _name_in(module, flow)
    file = getattr(module, "__file__", None)
    if module is None or name is None or not file or not Path(file).is_file():
        return None
    path = Path(file).resolve()
    around = surroundings()
    package = module.__name__.rpartition(".")[0]
    if module.__name__ == "__main__":
        spec = getattr(module, "__spec__", None)
        if spec is None or not spec.name:
            return {"kind": "file", "path": str(path), "name": name, **around}
        # It was started by python -m.
        package = spec.name.rpartition(".")[0]
        module_name = spec.name
    else:
        module_name = module.__name__
    if not package:
        return {"kind": "file", "path": str(path), "name": name, **around}
    found = {"kind": "module", "module": module_name, "name": name, "path": str(path)}
    return {**found, **around}


def surroundings() -> dict[str, Any]:
    """Return where this process's code works, and where its imports come from."""
    return {"folder": str(Path.cwd()), "path_entries": _entries()}


def find_flow(entrypoint: Mapping[str, Any]) -> Any:
    """Return the flow that an entry point of kind ``file`` or ``module`` tells of.

    Raises
    ------
    NotFound
        The file, the module, or the flow in it is not there any more.
    """
    for entry in reversed(entrypoint.get("path_entries", ())):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    if entrypoint["kind"] == "file":
        module = load_file(Path(entrypoint["path"]))
    else:
        try:
            with while_loading():
                module = import_module(entrypoint["module"])
        except ModuleNotFoundError as error:
            raise NotFound(
                f"The module {entrypoint['module']!r} of the deployment cannot be "
                f"imported: {error}. Deploy it again from where it is now."
            ) from error
    return flow_in(module, entrypoint["name"])


def flow_in(module: ModuleType, name: str | None) -> Any:
    """Return the flow of a module by its name, or the only one it defines.

    Raises
    ------
    NotFound
        There is no such flow, or without a name there are several.
    """
    flows = {n: each for n, each in vars(module).items() if is_flow(each)}
    if name is not None:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if is_flow(found):
            return found
        listed = f" Its flows are: {', '.join(flows)}." if flows else ""
        what = "is no flow" if found is not None else "does not exist"
        raise NotFound(
            f"{name!r} in {_where(module)} {what}."
            f"{did_you_mean(name, flows) or listed} Decorate the function with @flow."
        )
    own = {n: f for n, f in flows.items() if f.__module__ == module.__name__} or flows
    if len({id(each) for each in own.values()}) == 1:
        return next(iter(own.values()))
    told_flows = ", ".join(own) if own else "none"
    raise NotFound(
        f"Which flow of {_where(module)} is meant? It has: {told_flows}. "
        f"Name one: {Path(str(module.__file__)).name}:{next(iter(own), 'flow')}"
    )


def load_file(path: Path) -> ModuleType:
    """Execute a Python file as a module, as if it had been imported.

    Raises
    ------
    NotFound
        There is no such file.
    """
    if not path.is_file():
        near = [each.name for each in path.parent.glob("*.py")]
        raise NotFound(
            f"There is no file {str(path)!r}.{did_you_mean(path.name, near)}"
        )
    folder = str(path.parent)
    if folder not in sys.path:
        # As for a program that is started: its neighbours can be imported.
        sys.path.insert(0, folder)
    # By its own name it can be found by processes that it starts.
    name = path.stem
    if not name.isidentifier() or name in sys.modules:
        name = f"_nborch_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NotFound(
            f"{str(path)!r} is no Python file. Name a .py file or a notebook."
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with while_loading():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def parse_reference(text: str) -> tuple[str, str | None]:
    """Return the place and the flow's name of what somebody typed.

    >>> parse_reference("etl.py:load"), parse_reference("reports.daily:report")
    (('etl.py', 'load'), ('reports.daily', 'report'))
    >>> parse_reference("etl.ipynb")
    ('etl.ipynb', None)

    Raises
    ------
    InvalidDeclaration
        It names a module without the flow in it.
    """
    place, colon, name = text.rpartition(":")
    if not colon:
        place, name = text, ""
    if not name and not place.endswith((".py", ".ipynb")):
        raise InvalidDeclaration(
            f"{text!r} names no flow. Write FILE.py:FLOW, package.module:FLOW or a "
            "notebook such as etl.ipynb."
        )
    return place, name or None


def file_version(path: Path) -> str:
    """Return 16 hex digits that stand for what a file holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def told(entrypoint: Mapping[str, Any]) -> str:
    """Return an entry point in one line for people.

    >>> told({"kind": "module", "module": "reports.daily", "name": "report"})
    'reports.daily:report'
    """
    kind, name = entrypoint["kind"], entrypoint.get("name")
    if kind == "module":
        return f"{entrypoint['module']}:{name}"
    if kind == "value":
        return f"{name} (its code is kept in the home)"
    return str(entrypoint["path"]) + (f":{name}" if name else "")


def _name_in(module: ModuleType | None, flow: Any) -> str | None:
    """Return the name at which a module has a flow, if it has."""
    if module is None or getattr(flow, "bound", None):
        return None
    own = str(getattr(flow, "__name__", ""))
    if vars(module).get(own) is flow:
        return own
    return next((n for n, each in vars(module).items() if each is flow), None)


def _entries() -> list[str]:
    """Return the folders that a program's own imports come from."""
    inner = (sys.prefix, sys.base_prefix)
    return [
        str(Path(entry or ".").absolute())
        for entry in sys.path
        if not entry.startswith(inner) and Path(entry or ".").is_dir()
    ]


def _where(module: ModuleType) -> str:
    return repr(str(getattr(module, "__file__", None) or module.__name__))
