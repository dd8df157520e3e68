"""Binder: what it is built with fits the project."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"


def test_the_build_ends_with_lab_on_the_demo_and_the_panel(tmp_path):
    """What runs at the end of the build works, and leaves what Lab begins with."""
    # What is asked of an installation is not there in a checkout.
    told = "#!/bin/sh\ncase \"$*\" in *list*) echo 'nborch enabled OK';; *)"
    real = Path(sys.executable).with_name("jupyter")
    (tmp_path / "jupyter").write_text(f'{told} exec {real} "$@";; esac\n')
    own = f'#!/bin/sh\nexec {sys.executable} -m nborch "$@"\n'
    (tmp_path / "nborch").write_text(own)
    for name in ("jupyter", "nborch"):
        (tmp_path / name).chmod(0o755)
    places = {
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NB_PYTHON_PREFIX": str(tmp_path / "prefix"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "PYTHONPATH": str(ROOT),
    }

    subprocess.run(
        ["bash", BINDER / "postBuild"],
        cwd=ROOT,
        env={**os.environ, **places},
        check=True,
        capture_output=True,
    )

    (kept,) = (tmp_path / "workspaces").iterdir()
    layout = json.loads(kept.read_text())["data"]["layout-restorer:data"]
    settings = tmp_path / "prefix" / "etc" / "jupyter" / "jupyter_lab_config.json"
    demo = json.loads(settings.read_text())["LabApp"]["default_url"]
    assert layout["left"]["current"] == "nborch-panel"
    assert f"notebook:{demo.removeprefix('/lab/tree/')}" == layout["main"]["current"]
    assert (ROOT / demo.removeprefix("/lab/tree/")).is_file()


def test_the_environment_has_the_notebooks():
    """What the notebooks need is installed with nborch."""
    told = yaml.safe_load((BINDER / "environment.yml").read_text("utf-8"))

    packages = told["dependencies"][-1]["pip"]

    assert packages == ["-e ..[notebooks]"]
