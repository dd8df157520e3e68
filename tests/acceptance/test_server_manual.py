"""The page on the server: its commands exist, its program runs, its words are true."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from serving import Served

from nborch.cli.main import cli
from nborch.events import run_created, state_entered
from nborch.runs import Run, RunKind, new_id
from nborch.states import Failed, Running
from nborch.store.work_rows import moment_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "server.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for kind, text in BLOCKS
    if kind == "console"
    for line in text.splitlines()
    if line.startswith("$ nborch")
]


def command_of(words):
    """Return a command and what is left of its words."""
    found = cli
    while isinstance(found, click.Group):
        found = found.get_command(click.Context(found), words.pop(0))
    return found, words


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_exist(command):
    """Each command of the page is taken, with its options."""
    found, words = command_of(shlex.split(command)[1:])

    assert found is not None
    assert found.make_context(found.name, words)


def test_the_options_in_its_text_exist():
    """Each option that is told of is one of the command."""
    start, _ = command_of(["server", "start"])
    known = {option for each in start.params for option in each.opts}

    told = set(re.findall(r"`(--[\w-]+)", TEXT)) - {"--overwrite"}

    assert told
    assert told - known == set()


def test_the_variables_in_its_text_are_read():
    """Each variable that is told of is read somewhere."""
    source = "".join(
        path.read_text("utf-8") for path in (ROOT / "nborch").rglob("*.py")
    )

    for name in set(re.findall(r"NBORCH_\w+", TEXT)):
        assert f'"{name}"' in source, name


def test_its_program_asks_the_api(home):
    """The program of the page prints what has failed, and the way in is as it says."""
    now = time.time()
    run = Run(new_id(now), RunKind.FLOW, "etl", "lone-wolf", moment_of(now), "q:0:0")
    states = (Running(), Failed(message="no rows"))
    entered = [state_entered(run.id, e.stamped(moment_of(now)), 1) for e in states]
    home.store.append([run_created(run), *entered])
    (program,) = [text for kind, text in BLOCKS if kind == "python"]

    with Served(home.folder) as served:
        token = (home.folder / "server" / "token").read_text().strip()
        environ = {"NBORCH_API_URL": served.base, "NBORCH_API_TOKEN": token}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stdout == "lone-wolf etl no rows\n", done.stderr


def test_its_links_lead_somewhere():
    """Files and headings that are linked to are there."""
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }

    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, heading = link.partition("#")
        assert not path or (ROOT / "docs" / path).exists(), link
        assert not heading or path or heading in headings, link
