"""``%nborch`` in IPython: the magic, its help and its completion."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nborch.notebook.reruns.history import History
from nborch.notebook.reruns.manual import COMMANDS, manual

__all__ = ["install", "uninstall"]

MAGIC = "%nborch"
#: The help of IPython would look for an object called like the command.
_ASKED = re.compile(r"^\s*%nborch\s+(\w+)\s*\?{1,2}\s*$")
_RUN = re.compile(r"^\s*%nborch\s+(run\b.*)$")


def install(shell: Any, history: History) -> None:
    """Make the magic known."""
    shell.register_magic_function(nborch, "line", "nborch")
    shell.input_transformer_manager.line_transforms.insert(0, as_asked)
    shell.Completer.custom_matchers.append(CommandCompletion(history))


def uninstall(shell: Any) -> None:
    """Forget the magic."""
    shell.magics_manager.magics["line"].pop("nborch", None)
    shell.input_transformer_manager.line_transforms.remove(as_asked)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [m for m in matchers if not isinstance(m, CommandCompletion)]


def as_asked(lines: list[str]) -> list[str]:
    r"""Turn a line for ``%nborch`` that is no magic's into one, as a transformer.

    >>> as_asked(["%nborch status?\n"])
    ['%nborch help status\n']
    """
    if len(lines) != 1 or MAGIC not in lines[0]:
        return lines
    if found := _ASKED.match(lines[0]):
        return [f"{MAGIC} help {found[1]}\n"]
    found = _RUN.match(lines[0])
    if found and _awaits():
        # A magic cannot await: the event loop runs when it is called. A cell can.
        return [f"await get_ipython().nborch.commands.answer_async({found[1]!r})\n"]
    return lines


def _awaits() -> bool:
    """Tell whether a cell task of this kernel awaits."""
    from IPython import get_ipython

    session = getattr(get_ipython(), "nborch", None)
    if session is None:
        return False
    texts = (run.body for run in session.notes.history.tasks)
    return any("await" in text or "async" in text for text in texts)


def nborch(line: str) -> Any:
    """Look at the cell tasks of this notebook, and run them."""
    from IPython import get_ipython

    return get_ipython().nborch.commands.answer(line)


# What ``%nborch?`` shows.
nborch.__doc__ = manual()


@dataclass(slots=True)
class _Match:
    """One completion, as IPython reads it."""

    text: str
    type: str


class CommandCompletion:
    """Tell IPython how a line with ``%nborch`` may go on.

    It is a completion matcher of version 2: called with what stands before the cursor.
    """

    matcher_identifier = "nborch.commands"
    matcher_api_version = 2
    matcher_priority = 100.0

    def __init__(self, history: History) -> None:
        self._history = history
        # IPython asks every matcher for it.
        self.__qualname__ = type(self).__qualname__

    def __call__(self, context: Any) -> dict[str, Any]:
        """Return the completions, and that nobody else is to be asked."""
        line = context.line_with_cursor[: context.cursor_position]
        words = line[: len(line) - len(context.token)].split()
        found = list(self._offered(words)) if words[:1] == [MAGIC] else []
        told = [each for each in found if each[0].startswith(context.token)]
        return {
            "completions": [_Match(text, kind) for text, kind in told],
            "suppress": bool(told),
            "ordered": True,
        }

    def _offered(self, words: list[str]) -> Iterator[tuple[str, str]]:
        """Yield what may follow these words."""
        if len(words) == 1 or words[1] == "help":
            yield from ((name, "keyword") for name in COMMANDS)
        elif words[1] == "export":
            yield "--force", "keyword"
        elif words[1] in COMMANDS and "NAME" in COMMANDS[words[1]].usage:
            names = {run.task: None for run in reversed(self._history.tasks)}
            yield from ((name, "function") for name in names if name not in words[2:])
