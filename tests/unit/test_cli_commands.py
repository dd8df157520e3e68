"""The list of commands, which is shown without loading them."""

import click
import pytest

from nborch.cli.main import COMMANDS, cli


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_a_command_says_of_itself(name):
    """The list of commands has the first line of each command's own help."""
    command = cli.get_command(click.Context(cli), name)

    assert command.name == name
    assert COMMANDS[name] == command.help.partition("\n")[0]
