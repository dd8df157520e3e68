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
        **_options: Any,
    ) -> Any:
        """Execute the notebook and return it with its outputs.

        Parameters
        ----------
        notebook_run
            The `nborch.notebook.execution.NotebookRun` to execute it as, for callers
            that watch it.
        kernel_cwd
            The kernel's working folder; the current one if not given.
        """
        # papermill loads this module in every program that imports papermill; the
        # engine itself is loaded by the first notebook.
        from nborch.home import open_home
        from nborch.notebook.execution import NotebookRun
        from nborch.settings import load_settings

        cwd = kernel_cwd or str(Path.cwd())
        if notebook_run is None:
            about = nb.metadata.get("papermill", {})
            notebook_run = NotebookRun(
                open_home(load_settings(Path(cwd))),
                input_path or "notebook",
                output_path,
                about.get("parameters", {}),
            )
        notebook_run.execute(
            nb,
            kernel_name,
            cwd,
            timeout_seconds=execution_timeout,
            startup_timeout_seconds=start_timeout,
        )
        return nb

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel that the notebook asks for, or `name`."""
        from papermill.utils import nb_kernel_name

        return nb_kernel_name(nb, name)  # type: ignore[no-any-return]  # papermill's

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return the language that the notebook is written in, or `language`."""
        from papermill.utils import nb_language

        return nb_language(nb, language)  # type: ignore[no-any-return]  # papermill's
