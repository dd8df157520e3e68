"""Exports: what is public, and what importing it costs."""

import ast
import importlib
import inspect
import json
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nborch
from nborch import exceptions, schedules, task_runners
from nborch.absent import ABSENT
from nborch.exceptions import (
    NborchError,
    NborchWarning,
    Unfingerprintable,
    did_you_mean,
)

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(nborch.__path__, "nborch.")
    if not module.name.endswith("__main__")
)

#: Below the surfaces, whose commands and magics are public by other means.
CORE = [
    name
    for name in MODULES
    if not name.startswith(("nborch.cache.", "nborch.cli.", "nborch.notebook."))
]


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_exists(name):
    """Each name of a module's `__all__` is there."""
    module = importlib.import_module(name)

    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), public


@pytest.mark.parametrize("name", CORE)
def test_a_module_exports_what_it_defines_in_public(name):
    """`__all__` lists the functions and classes without an underscore."""
    module = importlib.import_module(name)
    with Path(module.__file__).open(encoding="utf-8") as file:
        defined = {
            node.name
            for node in ast.parse(file.read()).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
        }

    listed = getattr(module, "__all__", [])
    assert defined <= set(listed)
    assert not [public for public in listed if public.startswith("_")]
    assert len(set(listed)) == len(listed)


def test_the_package_offers_what_it_lists():
    """Each public name of the package can be imported from it, and none is private."""
    for name in nborch.__all__:
        value = getattr(nborch, name)
        home = value.__name__ if inspect.ismodule(value) else value.__module__
        assert home.startswith("nborch.")
        assert name in dir(nborch)

    with pytest.raises(AttributeError, match="module 'nborch' has no attribute 'tusk'"):
        nborch.tusk  # noqa: B018


#: What Prefect's package offers, release 3.
PREFECT = (
    "allow_failure apause_flow_run aresume_flow_run aserve asuspend_flow_run deploy "
    "flow Flow get_client get_run_logger pause_flow_run resume_flow_run serve State "
    "suspend_flow_run tags task Task Transaction unmapped runtime"
)


@pytest.mark.parametrize("name", PREFECT.split())
def test_each_of_prefects_names_is_there_or_explained(name):
    """A name of Prefect's can be imported, or the error says what to do instead."""
    if name not in ABSENT:
        assert name in nborch.__all__
        return

    with pytest.raises(ImportError, match=f"no attribute '{name}', which Prefect has"):
        exec(f"from nborch import {name}")
    with pytest.raises(AttributeError, match=re.escape(ABSENT[name])):
        getattr(nborch, name)
    assert not hasattr(nborch, name)


def test_a_module_that_is_absent_is_explained():
    """Importing a module of Prefect's that is not there says what to do instead."""
    with pytest.raises(ImportError, match="environment variable"):
        from nborch import blocks  # noqa: F401


def test_what_is_said_to_be_absent_is():
    """No name is said to be absent that is there."""
    there = {name.removeprefix("nborch.") for name in MODULES} | set(nborch.__all__)

    assert not there & set(ABSENT)


def test_a_mistyped_name_gets_a_hint():
    """A name that nobody has is an error that names the nearest one."""
    with pytest.raises(AttributeError, match=r"'tsak'\. Did you mean 'task'\?"):
        nborch.tsak  # noqa: B018


#: Names that Prefect's users import, by the path that they import them from.
PATHS = {
    "cache_policies": (
        "CachePolicy DEFAULT FLOW_PARAMETERS INPUTS NO_CACHE NONE RUN_ID TASK_SOURCE"
    ),
    "concurrency.asyncio": "concurrency rate_limit",
    "concurrency.sync": "concurrency rate_limit",
    "context": "FlowRunContext TaskRunContext get_run_context tags",
    "deployments": "arun_deployment run_deployment",
    "exceptions": (
        "CancelledRun CrashedRun FailedRun MappingLengthMismatch "
        "MappingMissingIterable MissingContextError ObjectNotFound "
        "ParameterBindError ParameterTypeError PrefectException "
        "ReservedArgumentError UnfinishedRun UpstreamTaskError"
    ),
    "flows": "Flow flow",
    "futures": (
        "PrefectFuture PrefectFutureList as_completed resolve_futures_to_results "
        "resolve_futures_to_states wait"
    ),
    "logging": "disable_run_logger get_logger get_run_logger",
    "runtime": "deployment flow_run task_run",
    "schedules": (
        "Cron CronSchedule Interval IntervalSchedule RRule RRuleSchedule Schedule"
    ),
    "serializers": (
        "CompressedJSONSerializer CompressedPickleSerializer CompressedSerializer "
        "JSONSerializer PickleSerializer Serializer"
    ),
    "states": (
        "AwaitingRetry Cancelled Cancelling Completed Crashed Failed Late Paused "
        "Pending Retrying Running Scheduled State StateType Suspended "
        "get_state_exception raise_state_exception"
    ),
    "task_runners": "ProcessPoolTaskRunner TaskRunner ThreadPoolTaskRunner",
    "tasks": "Task exponential_backoff task task_input_hash",
    "testing.utilities": "prefect_test_harness",
    "transactions": (
        "CommitMode IsolationLevel Transaction TransactionState atransaction "
        "get_transaction transaction"
    ),
    "utilities.annotations": ("NotSet allow_failure freeze opaque quote unmapped"),
    "utilities.visualization": ("FlowVisualizationError VisualizationUnsupportedError"),
}


@pytest.mark.parametrize("path", PATHS)
def test_prefects_paths_lead_to_the_same_names(path):
    """Replacing the import root is enough for the names that programs import."""
    module = importlib.import_module(f"nborch.{path}")

    for name in PATHS[path].split():
        assert hasattr(module, name), name
        assert name in module.__all__


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
    strange = {
        n
        for n in added - sys.stdlib_module_names - {"nborch"}
        if "sysconfigdata" not in n
    }
    assert strange == set()


@pytest.mark.parametrize(
    "heavy",
    [
        "asyncio",
        "email",
        "http",
        "multiprocessing",
        "concurrent",
        "tomllib",
        "unittest",
        "urllib.request",
        "ctypes",
        "importlib.metadata",
    ],
)
def test_declaring_a_flow_imports_nothing_heavy(heavy):
    """What only some programs need is imported by those alone."""
    assert heavy not in imported_by("from nborch import flow, task") - imported_by("")


ERRORS = sorted(
    (
        e
        for e in vars(exceptions).values()
        if inspect.isclass(e) and issubclass(e, (NborchError, NborchWarning))
    ),
    key=lambda error: error.__name__,
)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_pickles(error):
    """An error that crosses processes keeps its message."""
    again = pickle.loads(pickle.dumps(error("told so")))

    assert type(again) is error
    assert str(again) == "told so"


@pytest.mark.parametrize(
    "error",
    sorted(
        set(ERRORS) - {NborchError, NborchWarning, exceptions.CacheWarning}, key=str
    ),
)
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


@pytest.mark.parametrize("package", [nborch, schedules, task_runners])
def test_type_checkers_see_the_same_names(package):
    """The stub beside a package names exactly what is loaded at first use."""
    stub = ast.parse(Path(package.__file__).with_name("__init__.pyi").read_text())
    named = {
        alias.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert named == package._HOMES
    assert set(package.__all__) <= set(named)
