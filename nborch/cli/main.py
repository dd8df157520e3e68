"""The ``nborch`` command."""

import sys
from importlib import import_module
from typing import Any

import click

from nborch import __version__
from nborch.exceptions import NborchError

__all__ = ["COMMANDS", "cli", "main"]

#: Exit code for wrong usage, as shells know it.
USAGE = 2

#: name: what the list of commands says of it. The module of that name in this package
#: has the command under the same name, with underscores; it is loaded when it is used.
COMMANDS = {
    "run": "Execute NOTEBOOK as a flow: every code cell is a task run.",
    "inspect": "Show what NOTEBOOK takes, and its cell tasks, without running it.",
    "flow-run": "List flow runs, look into one, read its log.",
    "cache": "See, check and free what the result cache holds.",
    "concurrency-limit": (
        "Limit how much runs at once, by name or by the tags of tasks."
    ),
    "server": "See, start and stop everything in a browser.",
    "serve": "Run FLOW by schedule and on request, here, until Ctrl-C.",
    "deploy": "Have the workers of a pool run FLOW, by schedule or on request.",
    "deployment": "See what is deployed, run it, pause its schedules.",
    "work-pool": "Say where runs wait for workers, and how many go on at once.",
    "worker": "Run what waits in work pools.",
    "schedule": "Tell what a schedule means and when it is due.",
}


class Commands(click.Group):
    """A group of commands that shows our errors in words, never as a traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an error of ours is wrong usage."""
        try:
            return super().invoke(context)
        except NborchError as error:
            click.echo(f"nborch: {error}", err=True)
            sys.exit(USAGE)

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the commands."""
        del context
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load a command."""
        del context
        if name not in COMMANDS:
            return None
        attribute = name.replace("-", "_")
        command: click.Command = getattr(
            import_module(f"nborch.cli.{attribute}"), attribute
        )
        return command

    def format_commands(
        self, context: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of the commands without loading them."""
        del context
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nborch")
def cli() -> None:
    """Run notebooks as flows, and look at what ran."""


def main() -> None:
    """Run the command line."""
    cli(prog_name="nborch")


if __name__ == "__main__":
    main()
