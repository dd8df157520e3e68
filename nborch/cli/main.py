"""The ``nborch`` command."""

import sys
from typing import Any

import click

from nborch import __version__
from nborch.cli.cache import cache
from nborch.cli.concurrency_limit import concurrency_limit
from nborch.cli.flow_run import flow_run
from nborch.cli.inspect import inspect
from nborch.cli.run import run
from nborch.exceptions import NborchError

__all__ = ["cli", "main"]

#: Exit code for wrong usage, as shells know it.
USAGE = 2


class Commands(click.Group):
    """A group of commands that shows our errors in words, never as a traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an error of ours is wrong usage."""
        try:
            return super().invoke(context)
        except NborchError as error:
            click.echo(f"nborch: {error}", err=True)
            sys.exit(USAGE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nborch")
def cli() -> None:
    """Run notebooks as flows, and look at what ran."""


cli.add_command(run)
cli.add_command(inspect)
cli.add_command(flow_run)
cli.add_command(cache)
cli.add_command(concurrency_limit)


def main() -> None:
    """Run the command line."""
    cli(prog_name="nborch")


if __name__ == "__main__":
    main()
