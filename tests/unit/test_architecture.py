"""Architecture: imports go down the floors, and a breach is seen."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(folder):
    """Return what lint-imports says of the package in a folder, and whether it passed."""
    program = (
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path):
    """A copy of the package to break."""
    shutil.copytree(
        ROOT / "nborch",
        tmp_path / "nborch",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_are_kept():
    """Imports go down the floors, in no circle, and the lifecycle does no I/O."""
    passed, told = lint(ROOT)

    assert passed, told
    assert "3 kept, 0 broken" in told


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("states/base.py", "from nborch import flows", "Imports go down the floors"),
        (
            "store/queries.py",
            "from nborch.store import sqlite",
            "No package's modules import each other in a circle",
        ),
        ("lifecycle.py", "import time", "Nouns and the lifecycle do no I/O"),
    ],
)
def test_a_breach_is_seen(copy, module, line, contract):
    """A deliberate defect of each kind turns its contract red."""
    path = copy / "nborch" / module
    path.write_text(f"{path.read_text()}\n{line}\n")

    passed, told = lint(copy)

    assert not passed
    assert f"{contract} BROKEN" in told
