"""Peers that do not fit beside nborch, each in an environment of its own."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_with(package: str, *others: str) -> Path:
    """Return a Python that has `package` and others, installed at the first use."""
    folder = ROOT / ".bench-venv" / package
    python = folder / "bin" / "python"
    done = folder / ".installed"
    if not done.exists():
        print(f"Installing {package} into {folder.relative_to(ROOT)} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", package, *others]
        subprocess.run([*pip, "--disable-pip-version-check"], check=True)
        done.touch()
    return python


def own_python() -> Path:
    """Return the Python that runs the benchmarks, which has nborch."""
    return Path(sys.executable)
