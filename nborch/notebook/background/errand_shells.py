"""The shell of a submitted cell's process: what is shown in it goes to the kernel."""

import builtins
import getpass
import sys
from types import ModuleType
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Any as AnyTrait
from traitlets import Type
from traitlets.config import Config

from nborch.notebook.bodies import FEATURES
from nborch.notebook.displays.posting import Prints, refused

__all__ = ["ErrandShell", "shell_for"]


class _Publisher(DisplayPublisher):  # type: ignore[misc]  # untyped
    relay = AnyTrait()

    def publish(  # IPython's
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,  # noqa: ARG002
        *,
        transient: Any = None,
        update: bool = False,
        **_kwargs: Any,
    ) -> None:
        """Send a display to the kernel."""
        self.relay.tell("display", data, metadata, transient, update)

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002
        """Have the kernel clear the cell's output."""
        self.relay.tell("clear", wait)


class _Hook(DisplayHook):  # type: ignore[misc]  # untyped
    relay = AnyTrait()
    shown = AnyTrait()

    def compute_format_data(self, result: Any) -> Any:
        """Note the value and return its looks."""
        self.shown = result
        return super().compute_format_data(result)

    def quiet(self) -> bool:
        """Return False: the cell itself knows, and has no number in this process."""
        return False

    def write_output_prompt(self) -> None:
        """Write nothing: the kernel's front end does."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Send the value's looks to the kernel."""
        self.relay.tell("result", format_dict, md_dict)

    def finish_displayhook(self) -> None:
        """Write nothing."""


class _Compiler(CachingCompiler):  # type: ignore[misc]  # untyped
    """Gives the cell's code the name that it has in the kernel."""

    file = ""

    def get_code_name(self, *_args: Any) -> str:
        """Return the name."""
        return self.file


class ErrandShell(InteractiveShell):  # type: ignore[misc]  # untyped
    """A shell without history, prompt and terminal."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)
    compiler_class = Type(_Compiler)

    def init_virtualenv(self) -> None:
        """Leave the environment as the kernel has it."""


def shell_for(errand: Any, relay: Any) -> ErrandShell:
    """Make this process that of a cell; return its shell."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, Prints(name, lambda *text: relay.tell("text", *text)))
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    config = Config({"HistoryManager": {"enabled": False}})
    shell: ErrandShell = ErrandShell.instance(
        user_module=main, user_ns=vars(main), config=config
    )
    shell.display_pub.relay = shell.displayhook.relay = relay
    shell.compile.file = errand.file
    for feature in errand.features:
        shell.compile.flags |= FEATURES[feature]
    shell.execution_count = errand.count
    shell.ast_node_interactivity = errand.mode
    shell.user_ns["In"].extend(errand.history)
    # After IPython, which puts the system's own there.
    builtins.input = refused
    getpass.getpass = refused
    return shell
