"""The papermill engine: ``papermill --engine nborch in.ipynb out.ipynb``."""

from pathlib import Path
from typing import Any

__all__ = ["NborchEngine"]


class NborchEngine:
    """Executes notebooks for papermill as flow runs.

    papermill reads, parameterises and writes the notebook; this engine executes it.

    NB. papermill imports this module while it is itself being imported, to know its
    engines. It must therefore neither import papermill nor derive from its classes.
    """

    @classmethod
    def execute_notebook(  # noqa: PLR0913, PLR0917  # papermill's interface
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        input_path: str | None = None,
        notebook_run: Any = None,
        kernel_cwd: str | None = None,
        execution_timeout: float | None = None,
        start_timeout: float = 60,
        log_output: bool = False,  # noqa: FBT001, FBT002  # papermill's interface
        stdout_file: Any = None,
        stderr_file: Any = None,
        **options: Any,
    ) -> Any:
        """Execute the notebook and return it with its outputs.

        Parameters
        ----------
        notebook_run
            The `nborch.notebook.execution.NotebookRun` to execute it as, for callers
            that watch it.
        kernel_cwd
            The kernel's working folder; the current one if not given.
        log_output, stdout_file, stderr_file
            Where else goes what cells show, while they run.
        options
            ``parallel``: how many cell tasks may run at the same time; ``timeout``, as
            nbclient calls the time for a cell; ``total_seconds`` for the whole run;
            ``resume``: the name or id of an earlier run to go on from.

        Raises
        ------
        nbclient.exceptions.DeadKernelError
            If the kernel died, as papermill's own engine does.
        """
        # papermill loads this module in every program that imports papermill; the
        # engine itself is loaded by the first notebook.
        from nborch.home import open_home
        from nborch.notebook.earlier_runs import notebook_run_of
        from nborch.notebook.echoing import Echo
        from nborch.notebook.execution import NotebookRun
        from nborch.notebook.parameters.for_papermill import apply_parameters
        from nborch.notebook.remote_documents import write_files_whole
        from nborch.settings import load_settings

        write_files_whole()
        cwd = kernel_cwd or str(Path.cwd())
        values, injection = apply_parameters(nb, input_path or "notebook", kernel_name)
        if notebook_run is None:
            home, resume = open_home(load_settings(Path(cwd))), options.get("resume")
            notebook_run = NotebookRun(
                home,
                input_path or "notebook",
                output_path,
                values,
                resumes=notebook_run_of(home, resume) if resume else None,
            )
        notebook_run.execute(
            nb,
            kernel_name,
            cwd,
            timeout_seconds=execution_timeout or options.get("timeout"),
            startup_timeout_seconds=start_timeout,
            total_seconds=options.get("total_seconds"),
            silent=injection.silent,
            echo=Echo(logs=log_output, stdout=stdout_file, stderr=stderr_file) or None,
            parallel=options.get("parallel") or 1,
        )
        _raise_if_dead(notebook_run, nb, output_path)
        return nb

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel that the notebook asks for, or `name`."""
        from papermill.utils import nb_kernel_name

        return nb_kernel_name(nb, name)  # type: ignore[no-any-return]  # papermill's

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return the language by which papermill finds who translates parameters."""
        from papermill.utils import nb_language

        from nborch.notebook.parameters.for_papermill import translated_language

        return translated_language(nb, nb_language(nb, language))


def _raise_if_dead(notebook_run: Any, nb: Any, output_path: str | None) -> None:
    """Raise what papermill's command line knows a dead kernel by: it exits with 138."""
    from nborch.notebook.reports import CellOutcome

    failed = notebook_run.failed
    if failed is None or failed.report.outcome is not CellOutcome.CRASHED:
        return
    from nbclient.exceptions import DeadKernelError
    from papermill.iorw import write_ipynb

    # It would write what an engine returns, and nothing if the engine raises.
    write_ipynb(nb, output_path)
    raise DeadKernelError(str(notebook_run.error))
