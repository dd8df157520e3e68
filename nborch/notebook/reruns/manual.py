"""What ``%nborch`` says of itself: its commands with examples."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nborch.exceptions import InvalidDeclaration, did_you_mean

__all__ = ["COMMANDS", "About", "command_named", "manual"]


@dataclass(frozen=True, slots=True)
class About:
    """What a command does.

    Parameters
    ----------
    usage
        What follows the command's name.
    takes
        How many words may follow: the least and the most.
    """

    usage: str
    first: str
    more: str = ""
    takes: tuple[int, int] = (0, 0)


_MANY = 1_000

COMMANDS: Mapping[str, About] = MappingProxyType(
    {
        "status": About(
            "",
            "where each cell task stands: fresh, stale, dirty, orphan, running, failed",
            "fresh: running it now would come to the same. stale: an input changed, or "
            "a task that it reads from is to run again. dirty: something that is no "
            "cell task changed what it made or read. orphan: its cell is gone, its "
            "names are not. uncached: it runs each time, and the reason is given.",
        ),
        "plan": About(
            "[NAME ...]",
            "what would run to bring the tasks up to date, and why; nothing runs",
            "Tasks whose result for the present inputs is kept would be restored. A "
            "task marked 'run if needed' runs only if those before it make something "
            "else than before.",
            (0, _MANY),
        ),
        "run": About(
            "[NAME ...]",
            "bring the tasks up to date, those they read from first",
            "Each runs as its cell was run last, and shows here what it shows. If one "
            "fails, those that read from it are left out, and the others go on.",
            (0, _MANY),
        ),
        "why": About(
            "NAME",
            "what changed between the last two runs of a task, or since its last",
            "Code is shown as a diff without layout and comments. Works after a "
            "restart, too: runs of this notebook are remembered.",
            (1, 1),
        ),
        "graph": About(
            "[RUN]",
            "the tasks and how they stand, as a graph that follows them; or a run",
            "With the name or id of a run it shows that, with all that runs within it.",
            (0, 1),
        ),
        "runs": About("[NAME]", "the last runs in this kernel", takes=(0, 1)),
        "logs": About("NAME", "what the last run of a task logged", takes=(1, 1)),
        "cancel": About(
            "[NAME]", "stop a task that runs in the background, or all", takes=(0, 1)
        ),
        "clear": About(
            "NAME", "forget the kept results of a task, so that it runs", takes=(1, 1)
        ),
        "check": About(
            "NAME",
            "run a task again and compare: is it deterministic?",
            "The names keep the values they have, and nothing is shown of the run.",
            (1, 1),
        ),
        "export": About(
            "FILE.py [--force]",
            "the tasks as functions of a module, with a flow that calls them",
            "What plain cells define as constants becomes a parameter of the flow. "
            "What cannot be said as a function is named, and nothing is written. "
            "--force replaces a file that is there.",
            (1, 2),
        ),
        "help": About("[COMMAND]", "this, or more on a command", takes=(0, 1)),
    }
)

_EXAMPLES = """\
%nborch status              which cells are out of date?
%nborch plan                what would run, and why?
%nborch run                 run just that
%nborch why clean           why did the task 'clean' run again?
%nborch export flights.py   the tasks of this notebook as a flow in a module"""


def manual(command: str = "") -> str:
    """Return the help on all commands, or on one.

    >>> print(manual("check").splitlines()[0])
    %nborch check NAME: run a task again and compare: is it deterministic?
    """
    if command:
        about = COMMANDS[command]
        head = f"%nborch {command} {about.usage}".rstrip()
        more = textwrap.fill(about.more, 88)
        return f"{head}: {about.first}\n\n{more}".rstrip()
    width = max(len(f"{name} {about.usage}") for name, about in COMMANDS.items()) + 2
    told = [
        f"    {f'{name} {about.usage}':<{width}}{about.first}"
        for name, about in COMMANDS.items()
    ]
    lines = ["%nborch COMMAND: look at the cell tasks of this notebook, and run them"]
    examples = [f"    {line}" for line in _EXAMPLES.splitlines()]
    return "\n".join([*lines, "", *told, "", "Examples:", *examples])


def command_named(words: list[str]) -> tuple[str, list[str]]:
    """Return the command that a line asks for, and the words after it.

    Raises
    ------
    InvalidDeclaration
        There is no such command, or the words after it do not fit.
    """
    command, *rest = words or ["help"]
    about = COMMANDS.get(command)
    if about is None:
        raise InvalidDeclaration(
            f"%nborch has no command {command!r}.{did_you_mean(command, COMMANDS)} "
            f"Its commands are: {', '.join(COMMANDS)}."
        )
    least, most = about.takes
    usage = f"%nborch {command} {about.usage}".rstrip()
    if len(rest) < least:
        raise InvalidDeclaration(f"%nborch {command} needs more. Write: {usage}")
    if len(rest) > most:
        what = "nothing" if most == 0 else f"{most} word{'s' if most > 1 else ''}"
        raise InvalidDeclaration(
            f"%nborch {command} takes {what}, not {' '.join(rest)!r}. Write: {usage}"
        )
    return command, rest
