"""``nborch cache``: what is kept is seen, checked and removed from the command line."""

import json

import pytest
from click.testing import CliRunner

from nborch.cli.main import cli
from nborch.exceptions import InvalidDeclaration
from nborch.settings import load_settings


@pytest.fixture
def run(home):
    """Run a command in this process, with two results of two tasks kept."""
    for name, rows in (("load", bytes(200_000)), ("clean", [1, 2])):
        home.cache.keep(name, {"result": rows}, seconds=2.0, label=name)

    def invoke(*words, code=0):
        done = CliRunner().invoke(cli, ["cache", *words])
        assert done.exit_code == code, done.output
        return done.output

    return invoke


def test_what_is_kept(run):
    """The results are counted and listed, for people and for programs."""
    assert json.loads(run("stats", "--json"))["entries"] == 2
    assert "Results: 2" in run("stats")
    assert {each["task"] for each in json.loads(run("ls", "--json"))} == {
        "load",
        "clean",
    }


def test_clear_one_task(run, home):
    """The results of one task are removed, and those of the others stay."""
    run("clear", "load", "--yes")

    assert home.cache.lookup("load") is None
    assert home.cache.lookup("clean") is not None


def test_room_is_made(run, home):
    """What is worth least goes until the rest fits; a wrong size is told."""
    assert "Write it like 500MB" in run("gc", "--max-size", "1.5.2", code=2)

    run("gc", "--max-size", "10 kB")

    assert home.cache.lookup("load") is None
    assert home.cache.lookup("clean") is not None


def test_damage_is_found(run, home):
    """A damaged file is found by reading everything, and removed."""
    assert "All is well." in run("verify")
    (blob,) = (f for f in home.folder.rglob("cas/*/*") if f.is_file())
    blob.chmod(0o600)
    blob.write_bytes(bytes(199_999) + b"x")

    assert "load" in run("verify")
    assert "All is well." in run("verify")


def test_a_size_is_told_in_any_unit(run, home):
    """Sizes are written as people do, and the setting takes the same."""
    limits = {"1.5 GB": 1_500_000_000, "20kB": 20_000, "7": 7, "none": None}
    for text, limit in limits.items():
        told = load_settings(environ={"NBORCH_CACHE_SIZE_LIMIT": text})
        assert told.cache_size_limit == limit

    assert load_settings(environ={}).cache_size_limit == 20_000_000_000
    assert "Freed" in run("gc", "--max-size", "1.5 GB")
    with pytest.raises(InvalidDeclaration, match=r"cache_size_limit: 'big' is no size"):
        load_settings(environ={"NBORCH_CACHE_SIZE_LIMIT": "big"})
