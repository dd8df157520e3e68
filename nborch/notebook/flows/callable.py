"""A notebook that is called like a function, and what a call of it does."""

import inspect
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn, Self, SupportsIndex, overload

from nborch.calling import Call
from nborch.context import RunContext
from nborch.deadlines import door
from nborch.declarations import changed_options
from nborch.exceptions import CancelledRun, VisualizationUnsupportedError
from nborch.flow_options import flow_spec
from nborch.flows import Flow
from nborch.futures import Future, FutureList
from nborch.home import Home, open_home
from nborch.mapping import mapped
from nborch.notebook.earlier_runs import (
    check_parameters_are,
    notebook_run_of,
    parameters_of,
)
from nborch.notebook.flows.attempts import FileRun, OnChange
from nborch.notebook.flows.deploying import DeployableNotebook
from nborch.notebook.flows.files import NotebookFile
from nborch.notebook.flows.setups import RunSetup
from nborch.notebook.flows.turns import Turns, turns_of
from nborch.notebook.flows.warming import Ahead, ahead_of
from nborch.notebook.loading import find_kernel
from nborch.notebook.results.values import NotebookResult
from nborch.runs import RunRecord
from nborch.secrets import Secret
from nborch.settings import load_settings
from nborch.showing import of_flow
from nborch.sketching import current_sketch
from nborch.specs import Spec
from nborch.states import State
from nborch.submissions import submissions_of

__all__ = ["NotebookFlow"]

#: What stands in a signature for values that the notebook declares no names for.
_OTHERS = "other_values"


class NotebookFlow(DeployableNotebook, Flow[..., NotebookResult]):
    """A notebook that is called like a function; `notebook_flow` makes one.

    Attributes
    ----------
    file
        The notebook.
    setup
        How it is run.
    allows_unknown
        Whether values may be given that the notebook has no parameters for.
    on_change
        Called with the notebook's run whenever a cell begins or ends, if somebody is
        to be; see `watched`.
    """

    def __init__(
        self, path: str | os.PathLike[str], options: dict[str, Any], /
    ) -> None:
        self.file = file = NotebookFile(path)
        self.allows_unknown = bool(options["allow_unknown"])
        options = {**options, "name": options["name"] or file.name}
        about = options["description"] or file.title or f"The notebook {file.path.name}"
        super().__init__(
            file, flow_spec(file, {**options, "description": about}), options
        )
        # They may change with the notebook.
        self.plain_names = None
        self.setup = RunSetup.checked(self.owner, options)
        self.setup.check_fields(self.owner, self.signature.parameters)
        self.__doc__ = _manual(about, file)
        self._turns: Turns = turns_of(self.owner, options["at_once"])
        self.on_change: OnChange | None = None
        self._runs: dict[str, FileRun] = {}

    @property
    def path(self) -> Path:
        """The path of the notebook."""
        return self.file.path

    @property
    def signature(self) -> inspect.Signature:
        """The notebook's parameters as it declares them now, by keyword."""
        signature = self.file.signature
        known = list(signature.parameters.values())
        any_name = inspect.Parameter.VAR_KEYWORD
        if not self.allows_unknown or any(p.kind is any_name for p in known):
            return signature
        others = inspect.Parameter(_OTHERS, any_name)
        return signature.replace(parameters=[*known, others])

    @signature.setter
    def signature(self, _told: inspect.Signature) -> None:
        # What the notebook says counts, whenever it is asked.
        pass

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return parameters as the notebook asks for them.

        Raises
        ------
        ParameterTypeError
            Some do not fit.
        """
        return self.file.parameters.validated(
            parameters, allow_unknown=self.allows_unknown
        )

    def with_options(self, **options: Any) -> Self:
        """Return this flow with some options changed; the original stays as it is.

        >>> etl.with_options(retries=2, kernel="python3")        # doctest: +SKIP
        <NotebookFlow 'etl' of etl.ipynb>
        """
        changed = changed_options(self.owner, self._options, options)
        return type(self)(self.path, changed)

    def watched(self, on_change: OnChange) -> Self:
        """Return this flow with somebody who is told of each cell.

        Its runs print no lines of their own.
        """
        watched = type(self)(self.path, self._options)
        watched.on_change = on_change
        watched.spec = replace(watched.spec, quiet=True)
        return watched

    @overload  # type: ignore[override]  # it is never async, nor a generator
    def __call__(
        self, /, *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> State: ...

    @overload
    def __call__(self, /, *args: Any, **kwargs: Any) -> NotebookResult: ...

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the notebook; return what came of it.

        With ``return_state=True`` the run's state is returned and nothing is raised;
        with ``wait_for=[future, ...]`` the run begins when those have ended.

        Raises
        ------
        ParameterBindError
            The notebook has no such parameter, or one is missing.
        CellFailed
            A cell raised.
        KeyboardInterrupt, SystemExit
            Somebody pressed Ctrl-C, or asked the program to end, and the run is over.
        """
        __tracebackhide__ = True  # IPython and pytest show the user's lines
        try:
            return super().__call__(*args, **self._hidden(kwargs))
        except CancelledRun as error:
            ending = _meant_for_the_program(error)
            if ending is None:
                raise
        raise ending

    def _hidden(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return arguments as they may be shown: what is secret, wrapped as such."""
        secret = self.file.parameters.secret & kwargs.keys()
        told = {
            name: Secret(kwargs[name])
            for name in secret
            if isinstance(kwargs[name], str | bytes)
            and not str(kwargs[name]).startswith("${env:")
        }
        return kwargs | told

    @overload
    def submit(
        self, *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> State: ...

    @overload
    def submit(self, *args: Any, **kwargs: Any) -> Future[NotebookResult]: ...

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Run the notebook in the background; return the run's future at once.

        ::

            futures = [etl.submit(month=month) for month in (1, 2, 3)]
            rows = [future.result()["rows"] for future in futures]

        It means what it means for a task: futures among the arguments are waited for,
        and so is ``wait_for``; with ``return_state=True`` it waits and returns the
        run's state. At most `at_once` of them run at the same time.
        """
        sketch = current_sketch.get()
        if sketch is not None:
            return sketch.note(self, args, kwargs, kind="submit")
        return_state = bool(kwargs.pop("return_state", False))
        future = self._submitted(args, kwargs, kwargs.pop("wait_for", None))
        if return_state:
            future.wait()
            return future.state
        return future

    @overload
    def map(
        self, *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> list[State]: ...

    @overload
    def map(self, *args: Any, **kwargs: Any) -> FutureList[NotebookResult]: ...

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Run the notebook once for each item of the iterables among the arguments.

        ::

            runs = etl.map(month=[1, 2, 3], carrier="UA")
            rows = [result["rows"] for result in runs.result()]

        It means what it means for a task, `unmapped` included. Each run has a kernel
        and an output of its own.
        """
        sketch = current_sketch.get()
        if sketch is not None:
            return sketch.note(self, args, kwargs, kind="map")
        return_state = bool(kwargs.pop("return_state", False))
        wait_for = kwargs.pop("wait_for", None)
        if wait_for is not None and not isinstance(wait_for, Future):
            wait_for = list(wait_for)
        calls = list(mapped(self.signature, args, kwargs, self.owner))
        if len(calls) > 1:
            self.setup.check_distinct(self.owner)
        ahead = self._started_ahead(len(calls))
        futures: FutureList[NotebookResult] = FutureList(
            self._submitted(args, kwargs, wait_for, ahead) for args, kwargs in calls
        )
        if return_state:
            futures.wait()
            return [future.state for future in futures]
        return futures

    def _started_ahead(self, count: int) -> Ahead | None:
        if self.setup.engine is not None:
            return None
        return ahead_of(
            find_kernel(self.file.load(), self.setup.kernel),
            load_settings(Path(self.setup.folder(self.path))).kernels,
            count=count,
            places=self._turns.places,
        )

    def _submitted(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait_for: Any,
        ahead: Ahead | None = None,
    ) -> Future[NotebookResult]:
        call = Call(self, args, self._hidden(kwargs), wait_for)
        function = call.function()
        if ahead is not None:
            function = ahead.begun(function)
        # NB. Never in a runner's other process: the kernel is one already.
        future = submissions_of(call.context.parent).submit(
            call.steps(gathers=True),
            call.performer,
            partial(self._turns.take, function),
            is_async=False,
        )
        if ahead is not None:
            future.on_end(ahead.end)
        return future

    def visualize(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Say that a notebook cannot be drawn without running it."""
        raise VisualizationUnsupportedError(
            f"{self.owner} is a notebook, whose cells do not run to be drawn. See what "
            f"they make of what with: nborch inspect '{self.path}'"
        )

    async def avisualize(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Do what `visualize` does."""
        self.visualize(*args, **kwargs)

    # What a call asks for.

    @property
    def home(self) -> Home:
        """Where its runs are kept: in the home that its kernels find."""
        return open_home(load_settings(Path(self.setup.folder(self.path))))

    def spec_within(self, parent: RunContext | None) -> Spec:
        """Return the spec of a run within `parent`."""
        del parent
        # NB. The kernel is told to end on time, which no interrupted thread could do.
        return replace(self.spec, timeout=None)

    @door
    def _function(self, call: Call) -> Any:
        key = call.context.run.id
        run = self._runs.get(key) or self._file_run(call)
        self._runs[key] = run
        may_come_again = False
        try:
            return run.attempt()
        except Exception:
            may_come_again = call.context.attempt <= self.retries
            raise
        finally:
            if not may_come_again:
                self._runs.pop(key, None)

    def _file_run(self, call: Call) -> FileRun:
        earlier = self._resumed(call)
        given = call.kwargs
        if earlier is not None:
            given = parameters_of(earlier, given)
        if self.should_validate_parameters:
            given = self.validate_parameters(given)
            others = call.parameters.get(_OTHERS) if self.allows_unknown else None
            known = {n: v for n, v in call.parameters.items() if v is not others}
            call.context.parameters = known | given
        if earlier is not None:
            taken_over = given.keys() - call.kwargs.keys()
            check_parameters_are(earlier, taken_over, given)
        return FileRun(
            self.file,
            self.setup,
            call.context,
            given,
            timeout_seconds=self.timeout_seconds,
            on_change=self.on_change,
            resumes=earlier,
        )

    def _resumed(self, call: Call) -> RunRecord | None:
        """Return the run that this one goes on from, if any."""
        reference = self._options["resume"]
        if reference is None:
            return None
        return notebook_run_of(call.context.home, reference)

    # How it is shown, compared and sent.

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [
            ("notebook", self.path),
            ("output", self.setup.output),
            ("kernel", self.setup.kernel),
            ("retries", self.retries or None),
            ("timeout", self.timeout_seconds and f"{self.timeout_seconds:g} s"),
        ]
        return of_flow(
            self.name,
            self.signature,
            description=self.description,
            tags=self.tags,
            rows=rows,
        )

    def __repr__(self) -> str:
        return f"<NotebookFlow {self.name!r} of {self.path.name}>"

    def __nborch_fingerprint__(self) -> object:
        """Return what a cell that calls it depends on: the notebook's text."""
        return (type(self).__name__, self.name, self.path.read_bytes())

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """Return how to pickle it: by the path of its notebook."""
        del protocol
        return type(self), (self.path, self._options)


def _meant_for_the_program(error: CancelledRun) -> BaseException | None:
    """Return what the signal that ended a run does to a program, if one did.

    The run has taken the signal, so as to end in order. A program that goes on after
    any error must not go on after that.
    """
    told = str(error)
    if "Cancelled by SIGINT." in told:
        return KeyboardInterrupt()
    return SystemExit(128 + 15) if "Cancelled by SIGTERM." in told else None


def _manual(about: str, file: NotebookFile) -> str:
    """Return what ``etl?`` shows."""
    parameters = "".join(f"\n    {each.describe()}" for each in file.parameters)
    return f"{about}\n\nNotebook: {file.path}" + (
        f"\n\nParameters:{parameters}" if parameters else ""
    )
