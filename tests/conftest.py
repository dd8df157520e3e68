"""Fixtures for all tests: a home of their own, never the user's."""

import os
import tempfile
from pathlib import Path

import pytest

# NB. Set before anything imports nborch: kernels and subprocesses inherit it.
_FOLDER = tempfile.TemporaryDirectory(prefix="nborch-tests-")
os.environ["NBORCH_HOME"] = str(Path(_FOLDER.name) / "home")
os.environ["IPYTHONDIR"] = str(Path(_FOLDER.name) / "ipython")
os.environ["JUPYTER_CONFIG_DIR"] = str(Path(_FOLDER.name) / "jupyter")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that only this test uses."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NBORCH_HOME", str(folder))
    from nborch.home import current_home

    opened = current_home()
    assert opened.folder == folder
    yield opened
    opened.close()
