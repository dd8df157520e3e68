"""Typing: a checker knows a task as it knows the function."""

import re
import subprocess
import sys
from pathlib import Path

SAMPLE = Path(__file__).with_name("sample.py")
ROOT = Path(__file__).parents[2]


def test_a_task_has_the_type_of_its_function(tmp_path):
    """A right call has the function's type, and each wrong one is the error it says."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            "--hide-error-context",
            "--show-error-codes",
            "--cache-dir",
            str(tmp_path),
            "--follow-imports",
            "silent",
            str(SAMPLE),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    found = {
        (int(line), code)
        for line, code in re.findall(
            r"sample\.py:(\d+): error: .*\[([a-z-]+)\]", done.stdout
        )
    }
    expected = {
        (number, line.partition("# error: ")[2].strip())
        for number, line in enumerate(SAMPLE.read_text().splitlines(), 1)
        if "# error: " in line
    }

    assert found == expected, done.stdout + done.stderr


def test_the_package_says_that_it_is_typed():
    """The marker that makes checkers read our annotations ships with the package."""
    assert (ROOT / "nborch" / "py.typed").exists()
