"""The wheel: all that runs from a checkout is in what people install."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import nborch

ROOT = Path(__file__).parents[2]
DATA = "nborch-{version}.data/data"
PANEL = "share/jupyter/labextensions/nborch"
CONFIG = "etc/jupyter/jupyter_server_config.d/nborch.json"


def build(folder, target):
    """Build something of the project; return the file."""
    for package in ("hatchling", "editables"):
        if importlib.util.find_spec(package) is None:
            if os.environ.get("CI"):
                pytest.fail(f"{package} is not installed")
            pytest.skip(f"{package} is not installed")
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


def files_in(wheel):
    """Return what is in a wheel by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The files of the wheel by their names."""
    return files_in(build(tmp_path_factory.mktemp("wheel"), "wheel"))


def test_a_wheel_has_all_files_of_the_package(wheel):
    """Each file of the package is in the wheel: modules, scripts, styles, queries."""
    package = ROOT / "nborch"
    kept = {".py", ".pyi", ".js", ".css", ".svg", ".sql", ".json", ".typed"}

    files = [path for path in package.rglob("*") if path.is_file()]
    theirs = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.suffix in kept or path.name == "py.typed"
    }

    assert theirs - wheel.keys() == set()
    for name in (
        "nborch/py.typed",
        "nborch/static/graph.js",
        "nborch/static/nborch.css",
    ):
        assert name in wheel
    assert [name for name in wheel if re.search(r"store/sql/.*\.sql$", name)]


def test_a_wheel_has_nothing_else(wheel):
    """Tests, notebooks and what a build leaves behind are not installed."""
    data, info = DATA.format(version=nborch.__version__), "dist-info"

    others = [
        name
        for name in wheel
        if not name.startswith(("nborch/", f"{data}/")) and info not in name
    ]

    assert others == []
    assert not [name for name in wheel if "__pycache__" in name]


def test_jupyter_finds_what_it_loads(wheel):
    """The server's extension and the panel lie where Jupyter looks for them."""
    data = DATA.format(version=nborch.__version__)

    config = json.loads(wheel[f"{data}/{CONFIG}"])
    panel = json.loads(wheel[f"{data}/{PANEL}/package.json"])
    file, _, version = panel["jupyterlab"]["_build"]["load"].partition("?v=")

    assert config == {"ServerApp": {"jpserver_extensions": {"nborch": True}}}
    assert f"{data}/{PANEL}/{file}" in wheel
    # NB. Browsers keep the script by its version: it must change with it.
    assert panel["version"] == version == nborch.__version__


def test_an_editable_install_has_it_too(tmp_path):
    """``pip install -e .`` puts the panel and the server's extension into place."""
    names = files_in(build(tmp_path, "wheel:editable"))

    data = DATA.format(version=nborch.__version__)
    assert f"{data}/{CONFIG}" in names
    assert f"{data}/{PANEL}/static/remoteEntry.js" in names


def test_a_source_archive_can_build_the_wheel(tmp_path):
    """What is published as source has the files that the wheel is made of."""
    archive = build(tmp_path, "sdist")

    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for name in (
        "nborch/server/jupyter_config/nborch.json",
        "nborch/labextension/package.json",
    ):
        assert name in names
