"""The page on deployments: its programs run, its commands and options exist."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from nborch.cli.main import cli
from nborch.deploy.deployments import DeploymentOptions
from nborch.deploy.entrypoints import while_loading
from nborch.settings import load_settings

TEXT = (Path(__file__).parents[2] / "docs" / "deployments.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [text for each, text in BLOCKS if each == kind]


COMMANDS = [
    line.removeprefix("$ ")
    for text in blocks("console")
    for line in text.splitlines()
    if line.startswith("$ nborch")
]


def test_its_programs_run(home):
    """Each program of the page runs; that they serve is not meant here."""
    names = {"__name__": "__main__"}

    with while_loading():
        for text in blocks("python"):
            exec(text, names)

    assert names["report"].name == "report"
    assert names["server"] is None


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_exist(command):
    """Each command of the page is taken, with its options."""
    _, *words = shlex.split(command)
    found = cli
    while isinstance(found, click.Group):
        found = found.get_command(click.Context(found), words.pop(0))
    assert found is not None

    assert found.make_context(found.name, words)


def test_its_settings_are_taken(home, tmp_path):
    """What the page puts into pyproject.toml is taken, and its options are all."""
    deployments, notify = blocks("toml")
    table = tomllib.loads(deployments)["tool"]["nborch"]["deployments"]["nightly"]
    assert {"entrypoint", "work_pool", "overlap"} <= table.keys()
    (tmp_path / "pyproject.toml").write_text(deployments + notify)

    settings = load_settings(tmp_path)

    assert settings.notify.on == ("failed", "timedout", "crashed")
    told = re.findall(
        r"`(\w+)`", TEXT[TEXT.index("| option") : TEXT.index("## Run it")]
    )
    assert DeploymentOptions.__annotations__.keys() - {"work_pool_name"} <= set(told)
