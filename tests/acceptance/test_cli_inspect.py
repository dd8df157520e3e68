"""``nborch inspect``, and the parameter options of ``nborch run``, as a person types."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

BIN = Path(sys.executable).parent

DECLARATION = """\
from datetime import date
from nborch import Secret
month: int = 1  # 1 to 12
day: date = date(2026, 1, 2)
carrier: str
code = "007"
token: Secret = "none"
"""


@pytest.fixture
def shell(tmp_path):
    """Run nborch in a folder with a home of its own; return the finished process."""

    def run(*words, **more):
        environ = {**os.environ, "NBORCH_HOME": str(tmp_path / "home"), **more}
        return subprocess.run(
            [str(BIN / "nborch"), *map(str, words)],
            cwd=tmp_path,
            env={**environ, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


@pytest.fixture
def notebook(tmp_path):
    """A notebook with parameters and two cell tasks."""
    cells = [
        new_markdown_cell("# Daily *report* [draft]"),
        new_code_cell("%load_ext nborch\nimport math"),
        new_code_cell(DECLARATION, metadata={"tags": ["parameters"]}),
        new_code_cell("%%task load\nrows = [carrier] * month"),
        new_code_cell("%%task clean\nclean = [row.lower() for row in rows]"),
        new_code_cell("print([month, str(day), carrier, code, len(token)], clean)"),
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "report.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path


def last_line(tmp_path):
    nb = nbformat.read(tmp_path / "report.out.ipynb", as_version=4)
    return nb.cells[-1].outputs[0].text.strip()


def test_inspect(shell, notebook):
    """It shows what a notebook takes, its tasks, and which of them feeds which."""
    done = shell("inspect", "report.ipynb")

    assert done.returncode == 0, done.stderr
    lines = [re.sub(r"  +", "  ", line).rstrip() for line in done.stdout.splitlines()]
    assert lines == [
        "Notebook: report.ipynb (Daily report [draft])",
        "Kernel:  python3 (Python 3)",
        "Cells:  5 of code, 2 cell tasks",
        "",
        "parameter  type  default",
        "month  int  1  1 to 12",
        "day  date  date(2026, 1, 2)",
        "carrier  str  required",
        'code  str  "007"',
        "token  Secret  ••••",
        "",
        "task  needs  makes",
        "load  carrier, month  rows",
        "clean  rows  clean",
        "",
        "graph",
        "  parameters → load (carrier, month)",
        "  load → clean (rows)",
        "  clean → cell 6 (clean)",
        "",
        "Run it with: nborch run report.ipynb -p carrier=VALUE",
    ]


def test_inspect_as_json(shell, notebook):
    """Other programs get the same as JSON, with a JSON Schema of the parameters."""
    done = shell("inspect", "report.ipynb", "--json")

    told = json.loads(done.stdout)
    assert told["kernel"] == "python3"
    assert told["schema"]["required"] == ["carrier"]
    assert told["schema"]["properties"]["day"] == {"format": "date", "type": "string"}
    assert [each["name"] for each in told["parameters"]] == [
        "month", "day", "carrier", "code", "token",
    ]  # fmt: skip
    assert told["parameters"][0]["help"] == "1 to 12"
    assert told["graph"][0] == {"from": 2, "to": 3, "names": ["carrier", "month"]}
    assert "none" not in json.dumps(told["parameters"][-1])
    assert told["command"] == "nborch run report.ipynb -p carrier=VALUE"


def test_inspect_without_parameters(shell, tmp_path):
    """Of a notebook without parameters it says how to declare some."""
    nb = new_notebook(cells=[new_code_cell("x = 1"), new_code_cell("x")])
    nbformat.write(nb, tmp_path / "plain.ipynb")

    done = shell("inspect", "plain.ipynb")

    assert "Parameters: none. Add the tag 'parameters'" in done.stdout
    assert "  cell 1 → cell 2 (x)" in done.stdout
    assert shell("inspect", "plan.ipynb").returncode == 2


def test_all_ways_to_give_a_value(shell, notebook, tmp_path):
    """Values are typed, read from files, from YAML or from the environment."""
    (tmp_path / "params.yaml").write_text("month: 3\nday: 2026-03-04\ncarrier: aa\n")
    encoded = base64.b64encode(b"carrier: zz\nday: 2020-01-01").decode()

    done = shell(
        "run", "report.ipynb", "-b", encoded, "-f", "params.yaml", "-y", "{month: 2}",
        "-p", "code=008", "-r", "carrier=7", "-p", "token=${env:TEST_TOKEN}",
        TEST_TOKEN="t0p-s3cret",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert last_line(tmp_path) == "[2, '2026-03-04', '7', '008', 10] ['7', '7']"
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"t0p-s3cret" in path.read_bytes()]
    inspected = shell("flow-run", "inspect", done.stderr.split()[-1])
    assert "token=Secret('${env:TEST_TOKEN}')" in inspected.stdout.replace('"', "")


def test_what_is_wrong(shell, notebook, tmp_path):
    """What is wrong is told at once, all of it, and nothing is run."""
    done = shell("run", "report.ipynb", "-p", "month=soon", "-p", "dya=2026-01-01")

    names = "carrier, code, day, month, token"
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "nborch: Notebook 'report.ipynb': 3 parameters are wrong.",
        f"  It has no parameter 'dya'. Did you mean 'day'? Its parameters are: {names}.",
        "  It needs a value for 'carrier': it declares carrier: str",
        "  parameter 'month' got 'soon'; expected a whole number.",
    ]
    assert not (tmp_path / "report.out.ipynb").exists()
    assert not (tmp_path / "home").exists()


def test_unknown_names(shell, notebook, tmp_path):
    """A name that is not declared is taken if that is asked for."""
    done = shell(
        "run", "report.ipynb", "-p", "carrier=A", "-p", "x=1", "--allow-unknown"
    )

    assert done.returncode == 0, done.stderr
    assert last_line(tmp_path) == "[1, '2026-01-02', 'A', '007', 4] ['a']"
