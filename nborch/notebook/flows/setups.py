"""How the notebook of a flow is run: where it writes, in which kernel and folder."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, Self

from nborch.context import RunContext
from nborch.exceptions import InvalidDeclaration, did_you_mean
from nborch.notebook.documents import is_local
from nborch.notebook.loading import check_output
from nborch.specs import checked_timeout

__all__ = ["DEFAULT_OUTPUT", "RunSetup"]

#: Where executed notebooks go if nobody says where.
DEFAULT_OUTPUT = "{home}/notebooks/{run}.ipynb"

#: What a template for the output may ask for beside the parameters.
_FIELDS = ("home", "name", "run", "run_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup:
    """How the notebook of a flow is run.

    Parameters
    ----------
    output
        A template of the executed notebook's path; None for none.
    kernel
        The name of a kernel, in place of the notebook's own.
    cwd
        The kernel's working folder; that of the notebook if not given.
    cell_timeout
        Seconds that one cell may take.
    engine
        What executes the cells: ``"inprocess"`` for this very process.
    parallel
        How many of its cell tasks may run at the same time.
    allow_unknown
        Whether values may be given that the notebook declares no parameters for.
    graph
        Whether a picture of the run is put at the end of the executed notebook.
    """

    output: str | None = DEFAULT_OUTPUT
    kernel: str | None = None
    cwd: str | None = None
    cell_timeout: float | None = None
    engine: str | None = None
    parallel: int | None = None
    allow_unknown: bool = False
    graph: bool = False

    @classmethod
    def checked(cls, owner: str, options: Mapping[str, Any]) -> Self:
        """Return what the options say, or raise `InvalidDeclaration`.

        Parameters
        ----------
        owner
            How messages call the flow.
        """
        seconds = checked_timeout(owner, options["cell_timeout"])
        parallel = options["parallel"]
        is_count = isinstance(parallel, int) and not isinstance(parallel, bool)
        if parallel is not None and not (is_count and parallel > 0):
            raise InvalidDeclaration(
                f"{owner}: parallel must be a whole number from 1, not {parallel!r}."
            )
        cwd = options["cwd"]
        if cwd is not None and not Path(cwd).is_dir():
            raise InvalidDeclaration(
                f"{owner}: cwd must be a folder, and there is none at '{cwd}'."
            )
        return cls(
            output=_absolute(owner, options["output"]),
            kernel=options["kernel"],
            cwd=None if cwd is None else str(Path(cwd).absolute()),
            cell_timeout=seconds,
            engine=options["engine"],
            parallel=parallel,
            allow_unknown=bool(options["allow_unknown"]),
            graph=bool(options["graph"]),
        )

    def folder(self, notebook: Path) -> str:
        """Return the working folder of the kernel."""
        return self.cwd or str(notebook.parent)

    @property
    def fields(self) -> tuple[str, ...]:
        """What the template of the output asks for."""
        parsed = Formatter().parse(self.output or "")
        found = (field for _, field, _, _ in parsed if field is not None)
        return tuple(field.partition(".")[0].partition("[")[0] for field in found)

    @property
    def output_as_written(self) -> str | None:
        """The path that a template which asks for nothing stands for."""
        return None if self.output is None else self.output.format()

    def check_fields(self, owner: str, parameters: Mapping[str, Any]) -> None:
        """Raise if the output is to be named after what there is not."""
        known = (*_FIELDS, *parameters)
        for field in self.fields:
            if field not in known and not self.allow_unknown:
                raise InvalidDeclaration(
                    f"{owner}: the output '{self.output}' asks for {field!r}, which is "
                    f"no parameter.{did_you_mean(field, known)} It may ask for: "
                    f"{', '.join(known)}."
                )

    def check_distinct(self, owner: str) -> None:
        """Raise if several runs at the same time would write to one file."""
        if self.output is not None and not self.fields:
            raise InvalidDeclaration(
                f"{owner}: all runs would write to the output '{self.output}'. Put "
                "{run} or a parameter into its name."
            )

    def output_of(
        self, context: RunContext, notebook: Path, parameters: Mapping[str, Any]
    ) -> str | None:
        """Return where the executed notebook of a run goes, which can be written.

        Raises
        ------
        NotFound, InvalidDeclaration
            It cannot be written there.
        """
        if self.output is None:
            return None
        run = context.run
        known = {**parameters, "home": context.home.folder, "name": notebook.stem}
        known |= {"run": run.name, "run_id": run.id}
        try:
            path = self.output.format(**known)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise InvalidDeclaration(
                f"Flow {run.of!r}: no path can be made of the output '{self.output}': "
                f"{type(error).__name__}: {error}."
            ) from error
        if not is_local(path):
            return path
        if self.output == DEFAULT_OUTPUT:
            path = _vacant(Path(path), run.id)
        elif path != self.output:
            # A folder for each run is made; one that is always the same may be a typo.
            self._make_folder(Path(path), known)
        check_output(path, notebook)
        return path

    def _make_folder(self, path: Path, known: Mapping[str, Any]) -> None:
        template = Path(self.output or "").parent
        if str(template).format(**known) != str(template):
            path.parent.mkdir(parents=True, exist_ok=True)


def _absolute(owner: str, output: str | os.PathLike[str] | None) -> str | None:
    """Return a template as it means the same wherever the program goes."""
    if output is None:
        return None
    if not isinstance(output, str | os.PathLike):
        raise InvalidDeclaration(
            f"{owner}: output must be a path, a template such as 'out/{{run}}.ipynb' "
            f"or None for no notebook, not {output!r}."
        )
    text = os.fspath(output)
    try:
        list(Formatter().parse(text))
    except ValueError as error:
        raise InvalidDeclaration(
            f"{owner}: the output '{text}' is no template: {error}. Write a brace that "
            "stands for itself twice."
        ) from error
    is_path = is_local(text) and not text.startswith("{home}")
    return str(Path(text).absolute()) if is_path else text


def _vacant(path: Path, run_id: str) -> str:
    """Return a path that no other run has: names of runs may come again."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(path.with_stem(f"{path.stem}-{run_id[-6:]}") if path.exists() else path)
