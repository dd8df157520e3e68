"""Fixtures for all tests: a home of their own, never the user's."""

import asyncio
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

# NB. Set before anything imports nborch: kernels and subprocesses inherit it.
_FOLDER = tempfile.TemporaryDirectory(prefix="nborch-tests-")
os.environ["NBORCH_HOME"] = str(Path(_FOLDER.name) / "home")
os.environ["IPYTHONDIR"] = str(Path(_FOLDER.name) / "ipython")
os.environ["JUPYTER_CONFIG_DIR"] = str(Path(_FOLDER.name) / "jupyter")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that only this test uses."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NBORCH_HOME", str(folder))
    from nborch.home import current_home

    opened = current_home()
    assert opened.folder == folder
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def nobody_encloses():
    """No session in this process outlives its test: later runs would belong to it."""
    yield
    told = sys.modules.get("nborch.ambient")
    assert told is None or not told._providers


@pytest.fixture(autouse=True)
def nothing_is_secret():
    """What one test hides is not masked in the values of the next."""
    yield
    secrets = sys.modules.get("nborch.secrets")
    if secrets is not None and secrets.hidden():
        secrets._hidden = secrets._Hidden()


@dataclass
class Ran:
    """What one cell showed, as a front end gets it."""

    shown: list = field(default_factory=list)
    ok: bool = True
    #: Kind and content of each message, for who needs more than text.
    messages: list = field(default_factory=list, repr=False)

    def text(self, *kinds):
        """Join what streams and displays of these kinds show as text."""
        kinds = kinds or ("stdout", "stderr", "execute_result", "display_data", "error")
        return "".join(text for kind, text in self.shown if kind in kinds)

    @property
    def stdout(self):
        return self.text("stdout")

    @property
    def result(self):
        return self.text("execute_result") or None

    @property
    def error(self):
        return self.text("error") or None

    @property
    def badge(self):
        """The line that nborch shows under a cell task."""
        return self.text("badge") or None

    @property
    def outcome(self):
        """The badge's first word: cached, ran or uncached."""
        return self.badge and self.badge.partition(" ")[0]


class Kernel:
    """A real kernel with nborch loaded, asked through its own protocol."""

    def __init__(self, **environ):
        from jupyter_client.manager import start_new_async_kernel

        # A loop of its own: the blocking client leaves loops behind that nobody closes.
        self.loop = asyncio.new_event_loop()
        start = start_new_async_kernel(
            kernel_name="python3", env={**os.environ, **environ}
        )
        self.manager, self.client = self.loop.run_until_complete(start)
        self.loaded = False
        #: What came for no cell that was waited for: kind and content.
        self.others = []

    def start_over(self, home, folder):
        """Forget all names; work in `folder` with the results in `home`."""
        unload = "%unload_ext nborch" if self.loaded else ""
        for source in (
            # What a test imported from __future__ holds for all later cells.
            "%reset -f\nget_ipython().compile.reset_compiler_flags()",
            f"{unload}\nimport os as _os\n_os.chdir({str(folder)!r})",
            f"_os.environ['NBORCH_HOME'] = {str(home)!r}\n%load_ext nborch\ndel _os",
        ):
            ran = self(source)
            assert ran.ok, ran.error
        self.loaded = True

    def __call__(self, source, timeout=30):
        """Run a cell; return what it showed."""
        return self.wait(self.client.execute(source, allow_stdin=False), timeout)

    def wait(self, sent, timeout=30):
        """Return what the cell with this message id showed, when it is over."""
        return self.loop.run_until_complete(self._wait(sent, timeout))

    async def _wait(self, sent, seconds):
        ran = Ran()
        while True:
            message = await self.client.get_iopub_msg(timeout=seconds)
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != sent:
                self.others.append((kind, content))
                continue
            if kind == "status" and content["execution_state"] == "idle":
                break
            ran.messages.append((kind, content))
            self._note(ran, kind, content)
        reply = await self.client.get_shell_msg(timeout=seconds)
        while reply["parent_header"]["msg_id"] != sent:
            reply = await self.client.get_shell_msg(timeout=seconds)
        ran.ok = reply["content"]["status"] == "ok"
        return ran

    @staticmethod
    def _note(ran, kind, content):
        from nborch.view.badge import MIME

        if kind == "stream":
            last = ran.shown[-1] if ran.shown else ("", "")
            if last[0] == content["name"]:
                ran.shown[-1] = (last[0], last[1] + content["text"])
            else:
                ran.shown.append((content["name"], content["text"]))
        elif kind == "error":
            ran.shown.append(("error", "\n".join(content["traceback"])))
        elif kind == "clear_output":
            ran.shown = []
        elif "data" in content:
            data = content["data"]
            if MIME in data:
                kind = "badge"
            elif "image/png" in data:
                kind = "image"
            ran.shown.append((kind, data.get("text/plain", "")))

    def interrupt_when(self, path, sent, timeout=10):
        """Interrupt the running cell as soon as it has made a file."""
        until = time.monotonic() + timeout
        while not Path(path).exists():
            assert time.monotonic() < until, "the cell did not get that far"
            time.sleep(0.01)
        self.loop.run_until_complete(self.manager.interrupt_kernel())
        return self.wait(sent)

    def stop(self):
        """End the process."""
        self.client.stop_channels()
        self.loop.run_until_complete(self.manager.shutdown_kernel(now=True))
        self.loop.close()


@pytest.fixture
def new_kernel():
    """Start kernels that this test may kill."""
    started = []

    def start(**environ):
        started.append(Kernel(**environ))
        return started[-1]

    yield start
    for kernel in started:
        kernel.stop()


@pytest.fixture(scope="session")
def run_program():
    """Run a program that is installed beside this Python; it has to succeed."""

    def run(words, *, folder, environ):
        program = Path(sys.executable).parent / words[0]
        done = subprocess.run(
            [program, *words[1:]],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done

    return run


@pytest.fixture(scope="session")
def kernel_processes():
    """Two kernels that all tests share: starting one takes a second."""
    kernels = Kernel(), Kernel()
    yield kernels
    for kernel in kernels:
        kernel.stop()


@pytest.fixture
def kernels(kernel_processes, tmp_path):
    """Two kernels without names, in one folder and with one home of this test's own."""
    for kernel in kernel_processes:
        kernel.start_over(tmp_path / "home", tmp_path)
    return kernel_processes


@pytest.fixture
def kernel(kernels):
    """A kernel without names, in a folder of its own."""
    return kernels[0]


@pytest.fixture
def other(kernels):
    """A second kernel in the same folder, which has run nothing of the first."""
    return kernels[1]


@pytest.fixture(params=["sqlite"])
def store(request, tmp_path):
    """An empty run store, one of each kind."""
    from nborch.store.sqlite import SQLiteStore

    opened = SQLiteStore(tmp_path / "runs" / "nborch.db")
    yield opened
    opened.close()


class Work:
    """What keeps work that waits, by clocks that are turned by hand."""

    def __init__(self, path, start=datetime(2026, 11, 23, tzinfo=UTC)):
        from nborch.store.deployments import SQLiteDeployments
        from nborch.store.firings import SQLiteFirings
        from nborch.store.ledgers import Ledger
        from nborch.store.pools import SQLitePools
        from nborch.store.queue import SQLiteQueue
        from nborch.store.sqlite import SQLiteStore
        from nborch.store.terms import Terms
        from nborch.store.workers import SQLiteWorkers
        from nborch.testing import Clock

        #: The wall's clock, and the one that nobody can turn back.
        self.clock, self.steady = Clock(start), Clock(start)
        self.process, self.dead = "host:1:a", set()
        self.store = SQLiteStore(path)
        self.ledger = Ledger(self.store)
        self.deployments = SQLiteDeployments(self.ledger, self.clock)
        self.pools = SQLitePools(self.ledger, self.clock)
        self.queue = SQLiteQueue(self.ledger, self.clock)
        self.firings = SQLiteFirings(self.ledger, self.clock)
        terms = Terms(30, steady=self.steady, wall=self.clock, boot="this")
        self.workers = SQLiteWorkers(self.ledger, lambda: self.process, terms)

    def deploy(self, *schedules, name="nightly", flow_name="report", **declared):
        """Put a deployment."""
        from nborch.work import Deployment, DeploymentSchedule

        times = tuple(
            each
            if isinstance(each, DeploymentSchedule)
            else DeploymentSchedule(schedule=each)
            for each in schedules
        )
        declared = {"name": name, "flow_name": flow_name, "schedules": times} | declared
        return self.deployments.put(Deployment(**declared))

    def fire(self, **later):
        """Let time pass and fire what is due; return what came of each time."""
        from nborch.work.firing import decide

        self.turn(**later)
        outcomes = []
        while due := self.firings.due(self.clock.now):
            outcomes += self.firings.fire([decide(*e, self.clock.now) for e in due])
        return outcomes

    def turn(self, **later):
        """Let time pass, for both clocks."""
        self.clock.turn(**later)
        self.steady.turn(**later)

    def reap(self):
        """Take their runs from the dead."""
        return self.workers.reap(lambda process: process not in self.dead)

    def state(self, run_id):
        """Return the state of a run."""
        return self.store.record(run_id).state

    def close(self):
        """Give back what is open."""
        self.ledger.close()
        self.store.close()


@pytest.fixture(params=["sqlite"])
def work(request, tmp_path):
    """Deployments, pools, a queue and workers in an empty store, and their clocks."""
    opened = Work(tmp_path / "runs" / "nborch.db")
    yield opened
    opened.close()


@pytest.fixture
def script(tmp_path):
    """Start Python programs of their own, with the home of this test."""
    started = []

    def start(code, *args, **environ):
        path = tmp_path / f"script_{len(started)}.py"
        path.write_text(textwrap.dedent(code))
        root = str(Path(__file__).parents[1])
        process = subprocess.Popen(
            [sys.executable, str(path), *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "NBORCH_HOME": str(tmp_path / "home"),
                "PYTHONPATH": root,
                **environ,
            },
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(condition, timeout=20.0):
    """Wait for a condition; return what it said last."""
    end = time.monotonic() + timeout
    while not (told := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return told


@pytest.fixture(name="until")
def until_fixture():
    """Wait for a condition; return what it said last."""
    return until
