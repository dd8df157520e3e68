"""An IPython shell that tells what it shows as a kernel would."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from ipykernel.compiler import XCachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Any as AnyTrait
from traitlets import CBool, Type
from traitlets.config import Config

from nborch.notebook.inprocess.surroundings import refuse_input

__all__ = ["CellShell", "Tell", "new_shell"]

#: Takes the kind of a message and its content.
Tell = Callable[[str, dict[str, Any]], None]


class _Publisher(DisplayPublisher):  # type: ignore[misc]  # untyped
    def publish(  # IPython's
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,  # noqa: ARG002
        *,
        transient: Any = None,
        update: bool = False,
        **_options: Any,
    ) -> None:
        """Tell of a display, or of the change of one."""
        self._validate_data(data, metadata)
        content = {"data": data, "metadata": metadata or {}}
        content["transient"] = transient or {}
        self.shell.tell("update_display_data" if update else "display_data", content)

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002
        """Tell that what the cell has shown is to go."""
        self.shell.tell("clear_output", {"wait": wait})


class _Hook(DisplayHook):  # type: ignore[misc]  # untyped
    def write_output_prompt(self) -> None:
        """Write nothing: the notebook has a place for the count."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Tell of the value of the cell."""
        content = {
            "execution_count": self.shell.running_count,
            "data": format_dict,
            "metadata": md_dict or {},
        }
        if format_dict:
            self.shell.tell("execute_result", content)

    def finish_displayhook(self) -> None:
        """Write nothing."""
        self._is_active = False


class CellShell(InteractiveShell):  # type: ignore[misc]  # untyped
    """A shell whose cells may await, and which has no terminal and no history file."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)
    # Names the code of cells as in a kernel, in tracebacks and warnings.
    compiler_class = Type(XCachingCompiler)
    tell = AnyTrait()
    colors_force = CBool(True)  # noqa: FBT003 - as the shell of a kernel has it

    def init_virtualenv(self) -> None:
        """Leave the environment as the process has it."""

    def init_sys_modules(self) -> None:
        """Leave ``__main__`` to who runs the cells."""

    def init_environment(self) -> None:
        """Leave the variables to who runs the cells."""

    def enable_gui(self, gui: Any = None) -> None:
        """Allow ``%matplotlib inline``, which needs no loop of a toolkit."""

    # What `!command` prints is to be seen in the cell.
    system = InteractiveShell.system_piped

    def ask_exit(self) -> None:
        """Let the notebook end after this cell."""
        self.payload_manager.write_payload({"source": "ask_exit"})

    def get_parent(self, _channel: str | None = None) -> Mapping[str, Any]:
        """Return the request that is carried out."""
        return self._request

    def init_payload(self) -> None:
        """Begin without any request."""
        super().init_payload()
        self._request: Mapping[str, Any] = {}
        self.running_count = 0
        self.is_awaiting = False

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        self._last_traceback = stb
        content = {"ename": etype.__name__, "evalue": str(evalue), "traceback": stb}
        self.tell("error", content)

    async def carry_out(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run the cell of a request; return the content of the answer to it."""
        self._request, self._last_traceback = request, []
        self.payload_manager.clear_payload()
        content = request["content"]
        code = content["code"]
        keeps = {
            "silent": content["silent"],
            "store_history": content["store_history"] and not content["silent"],
        }
        self.running_count = self.execution_count
        transformed, failed = code, None
        try:
            transformed = self.transform_cell(code)
        except Exception as error:  # noqa: BLE001 - run_cell shows it
            failed = type(error), error, error.__traceback__
        awaits = {"transformed_cell": transformed, "preprocessing_exc_tuple": failed}
        self.is_awaiting = self.should_run_async(code, **awaits)
        if self.is_awaiting:
            try:
                result = await self.run_cell_async(code, **keeps, **awaits)
            finally:
                self.events.trigger("post_execute")
            if not keeps["silent"]:
                self.events.trigger("post_run_cell", result)
        else:
            result = self.run_cell(code, **keeps)
        return self._answer(result)

    def _answer(self, result: Any) -> dict[str, Any]:
        error = result.error_before_exec or result.error_in_exec
        answer: dict[str, Any] = {
            "status": "ok" if result.success else "error",
            "execution_count": self.running_count,
            "payload": self.payload_manager.read_payload(),
            "user_expressions": {},
        }
        if not result.success:
            answer["ename"] = type(error).__name__
            answer["evalue"] = str(error)
            answer["traceback"] = self._last_traceback or []
        return answer


def new_shell(module: Any, tell: Tell) -> CellShell:
    """Return a shell with names of its own.

    Parameters
    ----------
    module
        Holds the names that the cells bind.
    """
    config = Config({"HistoryManager": {"enabled": False}})
    shell: CellShell = CellShell(
        user_module=module, user_ns=vars(module), config=config, tell=tell
    )
    # NB. What `borrow` will take back: get_ipython() returns it.
    InteractiveShell._instance = shell  # noqa: SLF001 - there is no other way
    shell.builtin_trap.auto_builtins["input"] = refuse_input
    _show_figures(shell)
    return shell


def _show_figures(shell: CellShell) -> None:
    """Let figures be shown below the cells, if an earlier notebook has loaded that."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    matplotlib = sys.modules.get("matplotlib")
    # NB. Its own code does this once per process: when it is loaded.
    if inline is not None and matplotlib is not None:
        backend = matplotlib.get_backend()
        if "inline" in backend:
            inline.configure_inline_support(shell, backend)
