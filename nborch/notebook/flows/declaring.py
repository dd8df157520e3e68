"""``notebook_flow``: a notebook in a file becomes a flow."""

import os
from collections.abc import Iterable, Sequence

from nborch.notebook.flows.callable import NotebookFlow
from nborch.notebook.flows.setups import DEFAULT_OUTPUT
from nborch.specs import Delays, Hook, RunNaming
from nborch.task_runners.base import TaskRunner

__all__ = ["notebook_flow"]


def notebook_flow(  # noqa: PLR0913  # the options of a declaration
    path: str | os.PathLike[str],
    /,
    *,
    output: str | os.PathLike[str] | None = DEFAULT_OUTPUT,
    kernel: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    cell_timeout: float | None = None,
    engine: str | None = None,
    parallel: int | None = None,
    at_once: int | None = None,
    allow_unknown: bool = False,
    graph: bool = False,
    resume: str | None = None,
    name: str | None = None,
    version: str | None = None,
    flow_run_name: RunNaming | None = None,
    retries: int | None = None,
    retry_delay_seconds: Delays | None = None,
    retry_jitter_factor: float | None = None,
    task_runner: TaskRunner | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    timeout_seconds: float | None = None,
    validate_parameters: bool = True,
    persist_result: bool | None = None,
    result_storage: object = None,
    result_serializer: object = None,
    cache_result_in_memory: bool = True,
    log_prints: bool | None = None,
    on_completion: Sequence[Hook] | None = None,
    on_failure: Sequence[Hook] | None = None,
    on_cancellation: Sequence[Hook] | None = None,
    on_crashed: Sequence[Hook] | None = None,
    on_running: Sequence[Hook] | None = None,
) -> NotebookFlow:
    """Make a notebook a flow: each call runs it in a kernel of its own.

    ::

        etl = notebook_flow("etl.ipynb", retries=1)
        result = etl(month=7, carrier="UA")
        result["clean"].head()

    Its parameters are those of the cell tagged ``parameters``, given by keyword. What
    is given is checked against their types before a kernel starts. A call returns a
    `NotebookResult`: what the notebook gave with `nborch.result` and what its
    ``%%task`` cells made, by name. The notebook is read at each call, so that edits
    count, and its file stays as it is.

    In all else it is a flow: it may be called in another flow, submitted, mapped over
    parameters, retried, with cell tasks restored that had completed before.

    Parameters
    ----------
    output
        Where the executed notebook goes: a template that may ask for parameters
        (``"out/{carrier}-{month}.ipynb"``) and for ``{run}``, ``{run_id}``, ``{name}``
        and ``{home}``. In the home folder, under the run's name, if not given; None
        for nowhere.
    kernel
        The kernel to run in, if not the notebook's own.
    cwd
        The kernel's working folder; the notebook's own if not given.
    cell_timeout
        Seconds that a cell may take which sets no limit of its own.
    engine
        ``"inprocess"`` runs the cells in this very process.
    parallel
        How many ``%%task`` cells of one run may run at the same time.
    at_once
        How many submitted and mapped runs may go on at the same time; as many as there
        are processors, for all such flows together, if not given.
    allow_unknown
        Take values for names that the notebook declares no parameters for.
    graph
        Put a picture of the run at the end of the executed notebook.
    resume
        The name or id of an earlier run, where the next one goes on.
    name
        The name in runs; that of the file if not given.
    timeout_seconds
        End an attempt that takes longer: the cell is interrupted, and its kernel
        killed should it not obey.

    The other options are those of `flow`.

    Raises
    ------
    NotFound
        There is no such notebook.
    InvalidNotebook
        The file is no notebook.
    """
    options = dict(locals())
    return NotebookFlow(options.pop("path"), options)
