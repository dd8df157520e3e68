"""The manual does what it says: every block of it is executed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "flows.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def sections():
    """Return the blocks below each heading: languages and texts, in order."""
    parts = re.split(r"^## (.*)\n", TEXT, flags=re.MULTILINE)
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {title: blocks for title, part in found if (blocks := BLOCK.findall(part))}


SECTIONS = sections()


def like(line):
    """Return a pattern for a line in which times and run names may differ."""
    text = re.escape(line)
    text = re.sub(r"\d+:\d+:\d+\\\.\d+", r"\\d+:\\d+:\\d+\\.\\d+", text)
    return text.replace(r"nimble\-falcon", r"\w+-\w+")


def run(folder, *command):
    """Run a command in the folder with a home of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "NBORCH_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.parametrize("title", [title for title in SECTIONS if title != "Tests"])
def test_a_section_of_the_manual(title, tmp_path):
    """The examples of a section, one after the other, print what stands below them."""
    program = "".join(text for kind, text in SECTIONS[title] if kind == "python")
    expected = "".join(text for kind, text in SECTIONS[title] if kind == "text")
    (tmp_path / "program.py").write_text(program)

    printed, logged = run(tmp_path, "program.py")

    lines = expected.splitlines()
    # A log goes to its own stream, and may hold more than the manual shows.
    of_log = [line for line in lines if re.match(r"\d+:\d+:\d+", line)]
    assert printed == [line for line in lines if line not in of_log]
    for line in of_log:
        assert any(re.fullmatch(like(line), each) for each in logged), line


def test_the_tests_of_the_manual(tmp_path):
    """The tests in the manual pass."""
    (program,) = [text for kind, text in SECTIONS["Tests"] if kind == "python"]
    (tmp_path / "test_report.py").write_text(program)

    printed, _ = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    assert "2 passed" in printed[-1]


def test_the_page_on_the_run_graph(tmp_path):
    """A graph is made of a run as the page says."""
    page = (ROOT / "docs" / "run-graph.md").read_text("utf-8")
    [(kind, program)] = BLOCK.findall(page)
    check = "print([node['of'] for node in graph.source.snapshot()['nodes']])"
    (tmp_path / "program.py").write_text(program + check)

    printed, _ = run(tmp_path, "program.py")

    assert kind == "python"
    assert printed == ["['double', 'double', 'double']"]


def test_no_block_of_the_manual_is_left_out():
    """Whoever adds a block in another language adds a test of it."""
    kinds = {kind for blocks in SECTIONS.values() for kind, _ in blocks}

    assert kinds == {"python", "text"}
    assert TEXT.count("```") == 2 * sum(map(len, SECTIONS.values()))
