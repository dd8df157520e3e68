"""The options by which a command takes values for a notebook's parameters."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from nborch.notebook.parameters import gather

__all__ = ["parameter_options"]


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command papermill's options for parameters; it is called with ``given``.

    ::

        @click.command()
        @parameter_options
        def run(*, given: dict[str, Any]): ...
    """

    @_option("-p", "--parameter", "assignments", "NAME=VALUE", _P)
    @_option("-r", "--parameter-raw", "raw", "NAME=TEXT", _R)
    @_option("-f", "--parameter-file", "files", "PATH", _F)
    @_option("-y", "--parameter-yaml", "yaml", "YAML", _Y)
    @_option("-b", "--parameter-base64", "base64", "TEXT", _B)
    @wraps(command)
    def with_given(
        *args: Any,
        assignments: tuple[str, ...],
        raw: tuple[str, ...],
        files: tuple[str, ...],
        yaml: tuple[str, ...],
        base64: tuple[str, ...],
        **options: Any,
    ) -> Any:
        given = gather(assignments, raw=raw, files=files, yaml=yaml, base64=base64)
        return command(*args, given=given, **options)

    return with_given


_P = "Value for a parameter; may be repeated. '${env:NAME}' is a variable, kept secret."
_R = "Text for a parameter, as it stands; may be repeated."
_F = "A YAML or JSON file of parameters; may be repeated."
_Y = "Parameters as YAML: '{month: 7, days: [1, 2]}'."
_B = "Parameters as YAML in base64."


def _option(
    short: str, long: str, name: str, metavar: str, help_text: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        short, long, name, metavar=metavar, multiple=True, help=help_text
    )
