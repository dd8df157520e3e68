"""What a server takes while many look on: 50 pages, and a run of 2,000 tasks a minute.

Each page follows the list of runs, the graph and the log of the run over a connection
of its own. In the end each must have exactly what the store has: every task in its last
state, every line once. Beside that: how long the first page takes from the command on,
what a server takes that nobody asks anything, and one at which pages look while nothing
happens.

``--quick`` has fewer tasks.
"""

import argparse
import asyncio
import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from serving import ROOT, Served

PAGES = 50
#: A server that has just begun is asked for its first page so often.
STARTS = 7
TASKS, PER_MINUTE = 2_000, 2_000

#: A run whose tasks come evenly, and each writes a line.
FLOW = """
import sys, time
from nborch import flow, get_run_logger, task

@task
def step(number):
    get_run_logger().info("step %d", number)

@flow
def steady(count, pause):
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * pause - time.monotonic()))
        step(number)

steady(int(sys.argv[1]), float(sys.argv[2]))
"""


class Page:
    """Follows a run as a page does, and has what a page would show."""

    def __init__(self, served: Served, run: str) -> None:
        self.served, self.run = served, run
        self.nodes: dict[str, str] = {}
        self.lines: list[int] = []
        self.state, self.seq, self.shown = "", 0, ""
        self.messages = self.taken = 0
        self.gaps = 0

    async def follow(self) -> None:
        """Take what comes until the run is over and all of it is there."""
        topics = f"runs,run:{self.run},log:{self.run}"
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.served.port, limit=1 << 26
        )
        writer.write(
            f"GET /api/stream?topics={topics}&after=0 HTTP/1.0\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.served.token}\r\n\r\n".encode()
        )
        name = b""
        while line := await reader.readline():
            self.taken += len(line)
            if line.startswith(b"event: "):
                name = line[7:-1]
            elif line.startswith(b"data: "):
                self.messages += 1
                self.take(name, json.loads(line[6:]))
        writer.close()

    def take(self, name: bytes, told: dict) -> None:
        """Take a message in."""
        if name == b"graph":
            if told["type"] == "snapshot":
                self.nodes = {}
            elif told["seq"] <= self.seq:
                return
            elif told["seq"] != self.seq + 1:
                self.gaps += 1
            self.seq = told["seq"]
            self.nodes |= {n["id"]: n["state"]["type"] for n in told.get("nodes", ())}
            self.state = told.get("run", {}).get("state", {}).get("type", self.state)
        elif name == b"log":
            self.lines += [line["sequence"] for line in told["lines"]]
        elif name == b"runs":
            for item in told["items"]:
                if item["id"] == self.run:
                    self.shown = f"{item['state']['type']} {item['tasks']}"

    def is_right(self, tasks: int) -> bool:
        """Tell whether it shows what is true in the end."""
        return (
            self.state == "COMPLETED"
            and list(self.nodes.values()) == ["COMPLETED"] * tasks
            # Of each task two, and how the flow began and ended.
            and len(self.lines) == len(set(self.lines)) == 2 * tasks + 2
            and self.lines == sorted(self.lines)
            and self.shown == f"COMPLETED {{'COMPLETED': {tasks}}}"
            and not self.gaps
        )


def cpu(pid: int) -> float:
    """Return the seconds of a core that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int, of: str = "VmHWM") -> float:
    """Return what a process takes of the memory, or has taken at most."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith(of):
            return int(line.split()[1]) / 1024
    return 0.0


def share(pid: int, seconds: float) -> float:
    """Return the share of a core that a process takes for a while."""
    before, began = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu(pid) - before) / (time.monotonic() - began)


async def watch(served: Served, tasks: int, environ: dict[str, str]) -> None:
    """Have pages look on at a run, and print what the server takes."""
    pause = str(60 / PER_MINUTE)
    command = [sys.executable, "-c", FLOW, str(tasks), pause]
    run = await asyncio.create_subprocess_exec(
        *command, env=environ, stderr=subprocess.DEVNULL
    )
    while not (items := served.get("/api/runs").json["items"]):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    pages = [Page(served, items[0]["id"]) for _ in range(PAGES)]
    pid = served.process.pid
    before, began = cpu(pid), time.monotonic()
    following = [asyncio.create_task(page.follow()) for page in pages]
    await run.wait()
    ended = time.monotonic()
    while not all(page.is_right(tasks) for page in pages):
        await asyncio.sleep(0.02)
        if time.monotonic() - ended > 30:
            break
    lag = time.monotonic() - ended
    taken = (cpu(pid) - before) / (time.monotonic() - began)
    right = sum(page.is_right(tasks) for page in pages)
    rate = sum(page.messages for page in pages) / PAGES / (ended - began)
    print(f"{PAGES} pages, {tasks} tasks at {PER_MINUTE}/min:")
    print(f"  right at the end      {right} of {PAGES}, {lag:.2f} s after the run")
    print(f"  server                {taken:.0%} of a core, {megabytes(pid):.0f} MB")
    print(f"  messages to a page    {rate:.1f}/s, {pages[0].taken / 1e6:.1f} MB in all")
    quiet = share(pid, 5)
    print(f"  nothing happens       {quiet:.2%} of a core, {PAGES} pages looking")
    for each in following:
        each.cancel()
    await asyncio.gather(*following, return_exceptions=True)


def first_page(folder: Path) -> tuple[float, float]:
    """Return the seconds from the command until the list of runs: least, and median."""
    # As pip does when it installs a package.
    compileall.compile_dir(str(ROOT / "nborch"), quiet=1)
    took = []
    for number in range(STARTS + 1):
        began = time.monotonic()
        with Served(folder / f"first-{number}") as served:
            assert served.get("/").status == 200
            took.append(time.monotonic() - began)
    return min(took[1:]), median(took[1:])


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    tasks = 300 if parser.parse_args().quick else TASKS
    with tempfile.TemporaryDirectory() as folder:
        least, middle = first_page(Path(folder))
        print(f"first page              {middle:.2f} s, {least:.2f} s at best")
        served = Served(Path(folder) / "home").start()
        try:
            time.sleep(2)
            pid = served.process.pid
            idle, size = share(pid, 5), megabytes(pid)
            print(f"nobody asks             {idle:.2%} of a core, {size:.0f} MB")
            environ = {
                **os.environ,
                "NBORCH_HOME": str(served.home),
                "PYTHONPATH": str(ROOT),
            }
            asyncio.run(watch(served, tasks, environ))
        finally:
            served.stop()


if __name__ == "__main__":
    main()
