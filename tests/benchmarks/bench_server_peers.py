"""The page beside Prefect's: how soon it is there, what it takes, how soon it tells.

Both in one run, each with its own store and the same three flow runs in it, looked at
by the same Chromium: seconds from the command until a run can be read in the browser,
memory, processor while nobody asks and while one page is open, and seconds from the
end of a flow until its page says so. ``--alone`` leaves Prefect out.
"""

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import own_python, python_with

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
# NB. Below those that the system gives to who asks: a client could meet itself there.
PORTS = {"nborch": 14_741, "prefect": 14_742}
#: Runs whose end is waited for in their page.
ROUNDS = 5
#: Seconds for which a server is watched.
IDLE = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"]

#: Each run waits for a file, tells when it ends, and says which one it is.
FLOW = """
import sys, time
from pathlib import Path
from {package} import flow
from {package}.runtime import flow_run

@flow
def paced(number: int):
    time.sleep(1)  # until its beginning is stored
    Path(f"id-{{number}}.part").write_text(str(flow_run.id))
    Path(f"id-{{number}}.part").rename(f"id-{{number}}")
    while not Path(f"go-{{number}}").exists():
        time.sleep(0.01)
    Path(f"ended-{{number}}").write_text(repr(time.time()))

for number in range(int(sys.argv[1]), int(sys.argv[2])):
    paced(number)
"""


@dataclass
class Side:
    """One of the two: how it is started, and where its pages are."""

    name: str
    python: Path
    command: list[str]
    environ: dict[str, str]
    #: The list of runs, and the page of one.
    runs: str
    run: str

    @property
    def base(self) -> str:
        """Where its server listens."""
        return f"http://127.0.0.1:{PORTS[self.name]}"


@dataclass
class Measured:
    """What was measured of one side."""

    answers: float
    shows: float
    memory: float
    idle: float
    watched: float
    delays: list[float]


def ours(folder: Path) -> Side:
    """Return nborch with a home in the folder."""
    # As pip does when it installs a package.
    compileall.compile_dir(str(ROOT / "nborch"), quiet=1)
    token = "bench" * 4
    return Side(
        "nborch",
        own_python(),
        ["-m", "nborch", "server", "start", "--no-browser", "--port"],
        {
            "NBORCH_HOME": str(folder / "home"),
            "NBORCH_SERVER_TOKEN": token,
            "PYTHONPATH": str(ROOT),
        },
        f"/login?token={token}",
        "/runs/{id}",
    )


def theirs(folder: Path) -> Side:
    """Return Prefect with a home in the folder."""
    python = python_with("prefect")
    address = f"http://127.0.0.1:{PORTS['prefect']}/api"
    return Side(
        "prefect",
        python,
        [str(python.with_name("prefect")), "server", "start", "--port"],
        {
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": address,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
        },
        "/runs",
        "/runs/flow-run/{id}",
    )


@contextmanager
def served(side: Side, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server and end it."""
    command = [*side.command, str(PORTS[side.name])]
    program = [] if command[0].startswith("/") else [str(side.python)]
    process = subprocess.Popen(
        [*program, *command],
        cwd=folder,
        env={**os.environ, **side.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def paced(side: Side, folder: Path, first: int, last: int) -> Iterator[None]:
    """Run flows one after another, each until it is let go on."""
    (folder / "paced.py").write_text(FLOW.format(package=side.name))
    process = subprocess.Popen(
        [str(side.python), "-W", "ignore", "paced.py", str(first), str(last)],
        cwd=folder,
        env={**os.environ, **side.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        if process.wait(60):
            sys.exit(f"The flows of {side.name} have failed.")
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Wait until something holds; return what it said."""
    end = time.monotonic() + seconds
    while not (told := condition()):
        if time.monotonic() > end:
            sys.exit(f"It took too long: {what}")
        time.sleep(0.01)
    return told


def read(path: Path) -> str:
    """Return what a file holds, nothing if it is not there."""
    return path.read_text() if path.exists() else ""


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    done = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    )
    return [pid, *(each for child in done.stdout.split() for each in tree(int(child)))]


def seconds_of(pid: int) -> float:
    """Return the processor time of a process and all below it so far."""
    ticks = 0
    for each in tree(pid):
        told = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(told[11]) + int(told[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Return the megabytes that a process and all below it hold for themselves."""
    kilobytes = 0
    for each in tree(pid):
        rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        kilobytes += int(rollup.partition("Pss:")[2].split()[0])
    return kilobytes / 1024


def share(pid: int) -> float:
    """Return the share of a core that a process takes for a while."""
    before = seconds_of(pid)
    time.sleep(IDLE)
    return (seconds_of(pid) - before) / IDLE


def seen(page: Any, text: str) -> Any:
    """Return what shows a text in a page."""
    return page.get_by_text(text, exact=True).filter(visible=True).first


def first_page(side: Side, page: Any) -> float:
    """Open the list of runs as soon as there is one; return when it can be read."""
    while True:
        try:
            page.goto(side.base + side.runs, wait_until="commit")
            break
        except Exception:  # noqa: BLE001  # nobody listens yet
            time.sleep(0.02)
    seen(page, "paced").wait_for(timeout=120_000)
    return time.monotonic()


def answering(side: Side) -> float:
    """Return when the server first answers."""
    import urllib.request

    def answers() -> bool:
        try:
            urllib.request.urlopen(side.base + "/api/health", timeout=5).close()
        except OSError:
            return False
        return True

    until(answers, "the server")
    return time.monotonic()


def delay(side: Side, folder: Path, page: Any, number: int) -> float:
    """Return the seconds from the end of a run until its page tells of it."""
    run_id = until(lambda: read(folder / f"id-{number}"), "a run")
    page.goto(side.base + side.run.format(id=run_id))
    seen(page, "Running").wait_for(timeout=60_000)
    (folder / f"go-{number}").touch()
    seen(page, "Completed").wait_for(timeout=120_000)
    shown = time.time()
    return shown - float(until(lambda: read(folder / f"ended-{number}"), "its end"))


def measured(side: Side, folder: Path, browser: Any) -> Measured:
    """Measure one side."""
    folder.mkdir()
    for number in range(3):
        (folder / f"go-{number}").touch()
    with served(side, folder):
        answering(side)
        with paced(side, folder, 0, 3):
            pass
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(120_000)
    begun = time.monotonic()
    with served(side, folder) as server:
        shows = first_page(side, page) - begun
        watched = share(server.pid)
        memory = memory_of(server.pid)
        with paced(side, folder, 3, 3 + ROUNDS):
            delays = [delay(side, folder, page, 3 + n) for n in range(ROUNDS)]
        page.close()
        time.sleep(2)
        idle = share(server.pid)
    begun = time.monotonic()
    with served(side, folder):
        answers = answering(side) - begun
    return Measured(answers, shows, memory, idle, watched, delays)


def tell(name: str, found: Measured) -> None:
    """Print a row."""
    print(
        f"{name:<9}{found.answers:>9.2f} s{found.shows:>10.2f} s"
        f"{found.memory:>9.0f} MB{found.idle:>9.2%}{found.watched:>9.2%}"
        f"{statistics.median(found.delays):>9.2f} s"
        f"{max(found.delays):>9.2f} s"
    )


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    sides = [ours] if asked.alone else [ours, theirs]
    print(f"{'':<9}{'answers':>11}{'page shows':>12}{'memory':>12}", end="")
    print(f"{'idle':>9}{'1 page':>9}{'end told':>11}{'worst':>11}", flush=True)
    found = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        for make in sides:
            folder = Path(name) / make.__name__
            side = make(folder)
            found.append(measured(side, folder, browser))
            tell(side.name, found[-1])
        browser.close()
    if len(found) > 1:
        one, other = found
        print(
            f"nborch shows its page {other.shows / one.shows:.0f} times as soon, takes "
            f"1/{other.memory / one.memory:.0f} of the memory, and tells of an end "
            f"{statistics.median(other.delays) / statistics.median(one.delays):.0f} "
            "times as soon"
        )


if __name__ == "__main__":
    main()
