"""Exports: what is public, and what importing it costs."""

import ast
import importlib
import inspect
import json
import pickle
import pkgutil
import subprocess
import sys

import pytest

import nborch
from nborch import exceptions
from nborch.exceptions import NborchError, NborchWarning, Unfingerprintable, did_you_mean

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(nborch.__path__, "nborch.")
    if not module.name.endswith("__main__")
)
#: Modules whose public functions and classes are exactly what they export.
CORE = [
    f"nborch.{name}"
    for name in (
        "awaiting blocking context declaring events exceptions home leasing "
        "lifecycle logs parameters performing recorder results runs settings specs "
        "states store.base store.connections store.groups store.queries store.sqlite "
        "view.badge notebook.header"
    ).split()
]


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_exists(name):
    """Each name of a module's `__all__` is there."""
    module = importlib.import_module(name)

    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), public


@pytest.mark.parametrize("name", CORE)
def test_what_others_import_is_exported(name):
    """Whatever one of our modules imports from another is public there."""
    for user in MODULES:
        spec = importlib.util.find_spec(user)
        with open(spec.origin, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == name:
                module = importlib.import_module(name)
                private = {alias.name for alias in node.names if alias.name.startswith("_")}
                assert not private, f"{user} imports {private} from {name}"
                assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("name", CORE)
def test_a_module_exports_the_errors_and_classes_it_defines(name):
    """A public class that a module defines is one that it exports, in order."""
    module = importlib.import_module(name)
    defined = {
        public
        for public, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == name and not public.startswith("_")
    }

    listed = module.__all__
    assert defined - {"TerminalHandler", "StoreHandler", "RunLogger"} <= set(listed)
    assert len(listed) == len(set(listed))


def test_the_package_offers_what_it_lists():
    """Each public name of the package can be imported from it, and none is private."""
    for name in nborch.__all__:
        assert getattr(nborch, name).__module__.startswith("nborch.")
        assert name in dir(nborch)

    with pytest.raises(AttributeError, match="module 'nborch' has no attribute 'tusk'"):
        nborch.tusk  # noqa: B018


def imported_by(code):
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_declaring_a_flow_imports_no_third_party_package():
    """`from nborch import flow, task` costs the standard library and our own modules."""
    before = imported_by("")

    after = imported_by("from nborch import flow, task")

    added = {name.partition(".")[0] for name in after - before}
    strange = {n for n in added - sys.stdlib_module_names - {"nborch"} if "sysconfigdata" not in n}
    assert strange == set()


@pytest.mark.parametrize(
    "heavy", ["asyncio", "email", "http", "multiprocessing", "concurrent", "tomllib", "unittest", "urllib.request", "ctypes", "importlib.metadata"]
)
def test_declaring_a_flow_imports_nothing_heavy(heavy):
    """What only some programs need is imported by those alone."""
    assert heavy not in imported_by("from nborch import flow, task") - imported_by("")


ERRORS = sorted(
    (e for e in vars(exceptions).values() if inspect.isclass(e) and issubclass(e, (NborchError, NborchWarning))),
    key=lambda error: error.__name__,
)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_pickles(error):
    """An error that crosses processes keeps its message."""
    again = pickle.loads(pickle.dumps(error("told so")))

    assert type(again) is error
    assert str(again) == "told so"


@pytest.mark.parametrize("error", sorted(set(ERRORS) - {NborchError, NborchWarning, exceptions.CacheWarning}, key=str))
def test_every_error_is_one_a_newcomer_catches(error):
    """Each error is a builtin error too, and stands in the tree of the docstring."""
    builtins = [base for base in error.__mro__ if base.__module__ == "builtins"]

    assert builtins[0] not in (Exception, BaseException)
    assert error.__name__ in exceptions.__doc__
    assert error.__name__ in exceptions.__all__


def test_an_unfingerprintable_value_says_where_it_is():
    """The error keeps what it is and where, also across processes."""
    again = pickle.loads(pickle.dumps(Unfingerprintable("an open file", ".rows[3]")))

    assert (again.reason, again.path) == ("an open file", ".rows[3]")
    assert str(again) == "an open file (at .rows[3])"


def test_a_suggestion_is_made_only_if_near():
    """A mistyped name gets its nearest neighbour, and a strange one gets none."""
    assert did_you_mean("colums", ["columns", "index"]) == " Did you mean 'columns'?"
    assert did_you_mean("zzz", ["columns"]) == ""
