"""The shell as a cell in the background has it: names and outputs of its own."""

import ast
from copy import copy
from typing import Any

from nborch.notebook.background.scopes import Scope
from nborch.notebook.displays.posting import Post, posting

__all__ = ["SideShell", "show"]

#: What stands in the place of an expression at the end of a cell in a thread.
_SHOW = f"__import__({__name__!r}, fromlist=['show']).show()"


class SideShell:
    """Looks like the kernel's shell, to a cell that does not run in its turn.

    Parameters
    ----------
    shell
        The kernel's shell, for all else.
    names
        The cell's names.
    post
        Where its outputs go.
    """

    # NB. What is shown by display() passes by the kernel's own publisher, which knows
    # whose it is; see `nborch.notebook.displays.posting`.

    def __init__(self, shell: Any, names: Scope, post: Post) -> None:
        self._shell = shell
        self.user_ns = names
        self.post = post
        self.displayhook = post.hook = _Hook(shell, post)
        # A thread compiles while cells do, under other flags.
        self.compile = copy(shell.compile)
        # Python hands values to the hook of the cell in the foreground; see `show`.
        self.ast_node_interactivity = "none"
        self.mode: str = shell.ast_node_interactivity
        self._is_quiet = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shell, name)

    def transform_cell(self, text: str) -> str:
        """Return a cell as Python."""
        code: str = self._shell.transform_cell(text)
        quiet = self.displayhook.semicolon_at_end_of_expression(code)
        self._is_quiet = bool(quiet)
        return code

    def transform_ast(self, tree: ast.Module) -> ast.Module:
        """Return the tree of a cell with what the user's shell makes of it."""
        tree = self._shell.transform_ast(tree)
        if self._is_quiet or self.mode == "none" or not tree.body:
            return tree
        shown = tree.body if self.mode == "all" else tree.body[-1:]
        for node in shown:
            if isinstance(node, ast.Expr):
                call = ast.parse(_SHOW, mode="eval").body
                assert isinstance(call, ast.Call)  # noqa: S101  # for the type checker
                for part in ast.walk(call):
                    ast.copy_location(part, node.value)
                call.args = [node.value]
                node.value = call
        return tree


def show(value: object) -> None:
    """Show the value of an expression under the cell in whose context this is."""
    post = posting.get()
    if post is not None:
        post.hook(value)


class _Hook:
    """Shows values of expressions under a cell that is not the present one."""

    def __init__(self, shell: Any, post: Post) -> None:
        self._shell = shell
        self._post = post
        self.prompt_count = post.count
        self.semicolon_at_end_of_expression = (
            shell.displayhook.semicolon_at_end_of_expression
        )
        #: The value that was shown last.
        self.shown: Any = None

    def __call__(self, value: object) -> None:
        if value is not None:
            self.write_output_prompt()
            data, metadata = self.compute_format_data(value)
            self.shown = value
            if data:
                self.write_format_data(data, metadata)

    def compute_format_data(self, value: object) -> Any:
        """Return the looks of a value."""
        return self._shell.display_formatter.format(value)

    def write_output_prompt(self) -> None:
        """Write nothing: the front end does."""

    def write_format_data(self, data: Any, metadata: Any = None) -> None:
        """Show the looks of a value."""
        self._post.result(data, metadata)
