"""What the run graph can do while a cell keeps the kernel busy, by ipykernel's version.

``NBORCH_TEST_KERNELS="6.31.0 7.0.1 7.3.0 7.4.0"`` names versions besides the one that is
installed; each is installed for the tests alone.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import ipykernel
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

INSTALLED = ipykernel.__version__
VERSIONS = [INSTALLED, *os.environ.get("NBORCH_TEST_KERNELS", "").split()]

FLOWS = """
import asyncio, time
from nborch import flow, task

@task
def wait(seconds, n=0):
    time.sleep(seconds)
    return n

@task
def talk(n):
    time.sleep(0.5)
    # In one piece: those of another thread may come between two.
    print(f"from {n}\\n", end="")

@flow
def blocking(seconds):
    for n in range(4):
        wait(0.05, n)
    wait(seconds)

@flow
async def awaiting():
    wait(0.05)
    await asyncio.sleep(20)

@flow
def talking():
    return [talk.submit(n) for n in range(3)]
"""


@pytest.fixture(scope="module", params=list(dict.fromkeys(VERSIONS)))
def version(request, jupyter, tmp_path_factory):
    """The name of a kernel with this version of ipykernel, and the version."""
    wanted = request.param
    if wanted == INSTALLED:
        return "python3", wanted
    place = tmp_path_factory.mktemp(f"ipykernel-{wanted}")
    # Version 6 needs the second one.
    packages = [f"ipykernel=={wanted}", "nest_asyncio"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", place, *packages], check=True)
    name = f"ipykernel-{wanted}"
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": name,
        "language": "python",
        "env": {
            "PYTHONPATH": os.pathsep.join([str(place), jupyter.environ["PYTHONPATH"]])
        },
    }
    folder = Path(jupyter.environ["JUPYTER_DATA_DIR"]) / "kernels" / name
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    return name, wanted


def test_a_kernel(open_notebook, version):
    """From ipykernel 7 on, Cancel ends a run whose cell blocks, and before the graph says
    what does; in all versions it is live and prints of threads land in their own cell.
    """
    kernel, number = version
    hears = int(number.partition(".")[0]) >= 7
    cells = [
        f"import ipykernel\nassert ipykernel.__version__ == {number!r}",
        FLOWS,
        "talking()",
        "print('mine')",
        "print(blocking(20, return_state=True).type)",
        "print((await awaiting(return_state=True)).type)",
    ]
    notebook = open_notebook(f"kernel-{number}.ipynb", cells, kernel=kernel)
    for n in (0, 1, 2, 3):
        notebook.run(n)

    assert sorted(notebook.printed(2)) == ["from 0", "from 1", "from 2"]
    assert notebook.printed(3) == ["mine"]

    for n in (4, 5):
        notebook.start(n)
        graph = notebook.graph(n).appears()
        graph.comes_to("Running")
        asked = time.monotonic()
        if hears:
            graph.button("Cancel").click()
        else:
            assert not graph.button("Cancel").is_visible()
            graph.root.get_by_text("Interrupt").wait_for()
            notebook.command("notebook:interrupt-kernel")
        graph.comes_to("Cancelled" if hears else "Crashed")
        took = time.monotonic() - asked
        notebook.wait(n)

        told = f"ipykernel {number}: {cells[n]} was over after {took:.1f} s"
        print(told)  # noqa: T201  # for who asks with -rP
        assert took < 15
        if hears:
            assert notebook.printed(n) == ["CANCELLED"]
