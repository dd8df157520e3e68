"""The manual of schedules does what it says: every block of it is executed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "schedules.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PARTS = re.split(r"^##? (.*)\n", TEXT, flags=re.MULTILINE)
SECTIONS = {
    title: blocks
    for title, part in zip(PARTS[1::2], PARTS[2::2], strict=True)
    if (blocks := BLOCK.findall(part))
}


def printed(*command):
    """Return the lines that a command prints, without spaces at their ends."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.rstrip() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_of_the_manual(title):
    """The example of a section prints what stands below it."""
    (kind, text), *rest = SECTIONS[title]

    if kind == "console":
        command, *expected = text.splitlines()
        found = printed("-m", *shlex.split(command.removeprefix("$ ")))
    else:
        ((_, told),) = rest
        expected = told.splitlines()
        found = printed("-c", text)

    assert found == expected


def test_no_block_of_the_manual_is_left_out():
    """Whoever adds a block in another language adds a test of it."""
    kinds = {kind for blocks in SECTIONS.values() for kind, _ in blocks}

    assert kinds == {"console", "python", "text"}
    assert TEXT.count("```") == 2 * sum(map(len, SECTIONS.values()))
