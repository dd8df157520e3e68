"""What Prefect has and nborch has not, with what to do instead."""

from types import MappingProxyType

from nborch.exceptions import did_you_mean

__all__ = ["ABSENT", "missing"]

_WORKERS = (
    "A worker is started with `nborch worker start --pool NAME`; from a program, serve "
    "deployments with `nborch.serve`."
)
_PAUSE = (
    "A flow run that waits for a person comes with a later version; until then end "
    "the flow, and let a second one go on from results that were kept."
)
_CLIENT = (
    "Ask for runs with `nborch flow-run ls --json`, or from a program with "
    "`nborch.control.choosing.current_control()`."
)
_FILES = "Read it from a file or an environment variable."

#: By name below the package: why it is not there, and what to do.
ABSENT = MappingProxyType(
    {
        "aserve": "Call `nborch.serve` by asyncio.to_thread(serve, ...).",
        "runner": _WORKERS,
        "task_worker": "Call the task in a flow, and serve or deploy that.",
        "workers": _WORKERS,
        "apause_flow_run": _PAUSE,
        "aresume_flow_run": _PAUSE,
        "asuspend_flow_run": _PAUSE,
        "flow_runs": _PAUSE,
        "input": _PAUSE,
        "pause_flow_run": _PAUSE,
        "resume_flow_run": _PAUSE,
        "suspend_flow_run": _PAUSE,
        "client": _CLIENT,
        "get_client": _CLIENT,
        "artifacts": "Log it, or show it in the notebook: a cell's output is kept.",
        "assets": "Pass what a task needs to it: the graph shows it as an arrow.",
        "automations": "Use hooks, such as @flow(on_failure=[tell]).",
        "blocks": _FILES,
        "variables": _FILES,
        "filesystems": "Results are kept in the home folder: see NBORCH_HOME.",
        "locking": "One run computes a result and the others wait, without a lock.",
    }
)


def missing(name: str, known: list[str]) -> str:
    """Return the sentences for a name that the package does not have.

    >>> missing("tusk", ["flow", "task"])
    "module 'nborch' has no attribute 'tusk'. Did you mean 'task'?"
    """
    told = f"module 'nborch' has no attribute {name!r}"
    if name in ABSENT:
        return f"{told}, which Prefect has. {ABSENT[name]}"
    hint = did_you_mean(name, known)
    return f"{told}.{hint}" if hint else told
