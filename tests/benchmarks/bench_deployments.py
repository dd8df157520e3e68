"""From the trigger of a deployment to the first line of its run, and an idle worker.

Beside Prefect in the same run, with its server beside both: `flow.serve` runs the same
flow, asked for by its `run_deployment`. ``--alone`` leaves it out.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from peers import own_python, python_with

ROOT = Path(__file__).parents[2]
#: How often each is asked; Prefect takes about ten seconds.
ROUNDS = 5
#: Seconds for which an idle worker is watched.
IDLE = 20
PORT = 42_731

FLOW = """
import sys, time
from pathlib import Path
from {package} import flow

@flow
def first_line(path: str = ""):
    if path:
        Path(path).write_text(repr(time.time()))

if __name__ == "__main__":
    first_line.serve(name="bench")
"""

TRIGGER = """
import sys, time
from pathlib import Path
from {package}.deployments import run_deployment

for number in range(int(sys.argv[1])):
    path = Path(sys.argv[2]) / f"line-{{number}}"
    asked = time.time()
    run_deployment("first-line/bench", parameters={{"path": str(path)}}, timeout=0)
    while not path.exists() or not path.read_text():
        time.sleep(0.005)
    print(float(path.read_text()) - asked, flush=True)
"""


def measured(python: Path, package: str, environ: dict, warm: float) -> tuple:
    """Return seconds from trigger to first line, and the idle share of a core."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "served.py").write_text(FLOW.format(package=package))
        (folder / "trigger.py").write_text(TRIGGER.format(package=package))
        environ = {**os.environ, **environ, "NBORCH_HOME": str(folder / "home")}
        options = {"cwd": folder, "env": environ}
        server = subprocess.Popen(
            [str(python), "-W", "ignore", "served.py"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **options,
        )
        try:
            time.sleep(warm)
            before = seconds_of(server.pid)
            time.sleep(IDLE)
            idle = (seconds_of(server.pid) - before) / IDLE
            command = [str(python), "-W", "ignore", "trigger.py", str(ROUNDS), name]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, **options
            )
            if done.returncode:
                sys.exit(done.stderr)
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        return [float(line) for line in done.stdout.split()], idle


def seconds_of(pid: int) -> float:
    """Return the processor time of a process and its children so far."""
    children = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    )
    ticks = 0
    for each in (str(pid), *children.stdout.split()):
        told = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(told[11]) + int(told[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def tell(name: str, waits: list, idle: float) -> None:
    """Print a row."""
    middle = statistics.median(waits)
    print(f"{name:<10}{middle:>10.3f} s   worst {max(waits):.3f} s   idle {idle:.2%}")


def await_server(address: str, seconds: float = 120) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address).close()
        except OSError:
            time.sleep(0.5)
        else:
            return


def prefects() -> tuple:
    """Return what Prefect takes, with a server of its own."""
    python = python_with("prefect")
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "PREFECT_HOME": folder,
            "PREFECT_API_URL": f"http://127.0.0.1:{PORT}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
        server = subprocess.Popen(
            [str(python.with_name("prefect")), "server", "start", "--port", str(PORT)],
            env={**os.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await_server(f"http://127.0.0.1:{PORT}/api/health")
            return measured(python, "prefect", environ, 40)
        finally:
            server.terminate()
            server.wait(60)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    print("from the trigger of a deployment to the first line of its run")
    ours = measured(own_python(), "nborch", {"PYTHONPATH": str(ROOT)}, 10)
    tell("nborch", *ours)
    if not asked.alone:
        theirs = prefects()
        tell("Prefect", *theirs)
        ratio = statistics.median(theirs[0]) / statistics.median(ours[0])
        print(f"nborch begins {ratio:.0f} times as soon")


if __name__ == "__main__":
    main()
