"""Kernels that are forked: like those that are started, in all but what they cost."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch.notebook.client import CellOutcome, run_cells
from nborch.notebook.kernels import nursery
from nborch.notebook.kernels.pool import KernelPool

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Silent:
    """Is told and says nothing."""

    def cell_started(self, index):
        return None

    def cell_message(self, index, payload):
        pass

    def cell_output(self, index):
        pass

    def cell_finished(self, report):
        pass


def run(*sources, **options):
    """Run cells; return what each has printed, and the reports."""
    nb = new_notebook(cells=[new_code_cell(textwrap.dedent(s)) for s in sources])
    reports = run_cells(
        nb, kernel_name="python3", listener=Silent(), **{"env": {}, **options}
    )
    said = ["".join(o.get("text", "") for o in cell.outputs) for cell in nb.cells]
    return said, reports


WHO = "import os; print(os.getpid(), os.getppid(), end='')"


def who(**options):
    """Return the process id of a new kernel, and its parent's."""
    return tuple(map(int, run(WHO, **options)[0][0].split()))


@pytest.fixture(autouse=True)
def _nborch_is_found(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def forget():
    """Let the next kernel be the first of its kind, and leave none behind."""

    def end():
        nursery._end_all()
        nursery._asked.clear()
        nursery._unfit.clear()

    end()
    yield end
    end()


@pytest.fixture
def after_the_first():
    """Let the next kernel be forked."""
    while who()[1] == os.getpid():
        pass


def is_gone(pid):
    """Whether a process has ended, even if nobody has buried it."""
    asked = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()[:1] in {"", "Z"}


#: Whatever can be seen from within a kernel, as far as two started ones agree about it.
SEEN = {
    "folder": "os.getcwd()",
    "variables": "dict(os.environ)",
    "path": "sys.path",
    "a module beside the notebook": "__import__('mine').VALUE",
    "arguments": "[a for a in sys.argv if 'json' not in a]",
    "command": "[a for a in sys.orig_argv if 'json' not in a]",
    "flags": "str(sys.flags) + str(sys.warnoptions) + str(sys._xoptions)",
    "warnings": "str(__import__('warnings').filters)",
    "names": "sorted(globals())",
    "main": "sorted(vars(sys.modules['__main__']))",
    "modules": "sorted(sys.modules)",
    "extensions": "sorted(get_ipython().extension_manager.loaded)",
    "streams": "[(str(type(s)), s.encoding, s.errors, s.line_buffering) for s in (sys.__stdin__, sys.__stdout__, sys.__stderr__)]",
    "files": "[stat.S_IFMT(os.fstat(n).st_mode) for n in range(3)]",
    "input": "sys.__stdin__.read()",
    "open files": "sorted(re.sub(r'nborch-[a-z0-9_]+|[0-9]{3,}', '', os.readlink('/proc/self/fd/' + n)) for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n) and not re.search('socket|anon', os.readlink('/proc/self/fd/' + n)))",
    "held open": "sum(os.get_inheritable(int(n)) for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n))",
    "threads": "len(threading.enumerate())",
    "signals": "[str(signal.getsignal(n)) for n in sorted(signal.valid_signals())]",
    "blocked signals": "sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    "wakes": "str(signal.set_wakeup_fd(-1) >= 0)",
    "mask": "(m := os.umask(0), os.umask(m))[0]",
    "niceness": "os.nice(0)",
    "its own session": "os.getpid() == os.getpgid(0) == os.getsid(0)",
    "the death of its parent": "__import__('ipykernel.kernelapp').kernelapp.IPKernelApp.instance().parent_handle == os.getppid()",
    "faults": "__import__('faulthandler').is_enabled()",
    "history": "get_ipython().history_manager.hist_file",
    "who looks on at its runs": "bool(__import__('nborch.audience').audience.audience())",
    "exit handlers": "__import__('atexit')._ncallbacks()",
}
LOOK = f"""
import json, os, re, signal, stat, sys, threading
print(json.dumps({{{", ".join(f"{name!r}: {code}" for name, code in SEEN.items())}}}))
"""


def test_a_forked_kernel_is_like_one_that_was_started(
    after_the_first, tmp_path, monkeypatch
):
    """A notebook cannot tell whether its kernel was forked, whatever it looks at."""
    (tmp_path / "mine.py").write_text("VALUE = 'beside'")
    options = {"cwd": str(tmp_path), "env": {"NEW": "of this run", "ODD": "\udcff"}}

    pid = who(**options)
    forked = run(LOOK, **options)[0]
    monkeypatch.setenv("NBORCH_KERNELS_FORK", "false")
    started = run(LOOK, **options)[0]

    assert pid[1] != os.getpid()
    forked, started = json.loads(forked[0]), json.loads(started[0])
    assert started["variables"].pop("NBORCH_KERNELS_FORK") == "false"
    assert forked == started
    assert forked["its own session"]
    assert forked["the death of its parent"]


def test_the_first_kernel_is_started_as_ever(forget):
    """Only where there is a second kernel is there anything that forks kernels."""
    first, second, third = (who() for _ in range(3))

    assert first[1] == os.getpid()
    assert second[1] != os.getpid()
    assert second[1] == third[1]
    assert len({first[0], second[0], third[0]}) == 3


class Spec:
    """A kernel specification."""

    argv = ("python", "-m", "ipykernel_launcher")
    env: ClassVar = {}


PLAIN = ["-m", "ipykernel_launcher", "-f", "connection.json"]
KINDS = [
    # how a kernel is started, and whether it can be forked instead
    ([sys.executable, *PLAIN], {}, True),
    ([sys.executable, "-Xfrozen_modules=off", *PLAIN], {}, True),
    ([sys.executable, "-O", *PLAIN], {}, False),
    ([sys.executable, "wrapper.py", *PLAIN], {}, False),
    ([sys.executable, "-m", "ipykernel", "-f", "connection.json"], {}, False),
    ([sys.executable, "-c", "pass"], {}, False),
    (["/elsewhere/python", *PLAIN], {}, False),
    ([sys.executable, *PLAIN], {"cwd": "/not/there"}, False),
    ([sys.executable, *PLAIN], {"env": {"PYTHONPATH": "relative"}}, False),
]


@pytest.mark.parametrize(("command", "differs", "can_be"), KINDS)
def test_which_kernels_are_forked(command, differs, can_be):
    """Only plain kernels of this very interpreter are forked."""
    options = {"env": {}, "cwd": "/", **differs}

    kind = nursery.kind_of("python3", Spec, command, options)

    assert (kind is not None) is can_be


def test_kernels_are_not_forked_if_a_setting_says_so(after_the_first, monkeypatch):
    """With kernels.fork = false, every kernel is started by itself."""
    monkeypatch.setenv("NBORCH_KERNELS_FORK", "false")

    assert who()[1] == os.getpid()


def test_what_is_settled_at_the_start_is_as_it_should_be(after_the_first):
    """A kernel that Python must start otherwise is not forked from the others' process."""
    env = {"PYTHONHASHSEED": "7"}
    asked = "import os; print(hash('a'), os.getppid(), end='')"

    seeded = [run(asked, env=env)[0][0].split() for _ in range(2)]

    assert seeded[0][0] == seeded[1][0]
    assert int(seeded[0][1]) == os.getpid()
    assert int(seeded[1][1]) != who()[1]


def test_the_variables_of_a_run_are_its_own(after_the_first):
    """What a run's variables say is found in no other kernel, nor in what forks them."""
    reads = """
        import os
        print(any('hidden' in open(f'/proc/{of}/environ').read()
            for of in ('self', os.getppid())), os.environ.get('TOKEN'), end='')
    """

    first = run("import os; print(os.environ['TOKEN'])", env={"TOKEN": "hidden"})[0]
    second = run(reads)[0]

    assert (first, second) == (["hidden\n"], ["False None"])


def test_each_kernel_draws_its_own_random_numbers(forget):
    """Python's random numbers and NumPy's differ between kernels, also if preloaded."""
    draws = """
        import sys
        was_there = 'numpy' in sys.modules
        import os, random, uuid, tempfile, numpy
        print(random.random(), numpy.random.random(), numpy.random.default_rng().random(),
            uuid.uuid4(), next(tempfile._get_candidate_names()), os.getppid(), was_there)
    """
    with KernelPool(size=1, preload=["numpy.random"]) as pool:
        drawn = []
        for _ in range(3):
            assert pool.wait(), pool.trouble
            drawn.append(run(draws)[0][0].split())

    _, one, other = drawn
    assert one[-2:] == other[-2:] != [str(os.getpid()), "True"]
    assert all(a != b for a, b in zip(one[:-2], other[:-2], strict=True))


UNFIT = {
    "threads": "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "sockets": "held = socket.socketpair()",
    "processes that end": "os._exit(1)",
}


@pytest.mark.parametrize("does", UNFIT)
def test_modules_that_a_fork_would_break(does, forget, tmp_path, monkeypatch):
    """Modules that start threads or open sockets are imported by each kernel itself."""
    if does == "processes that end":
        code = f"if os.environ.get('JPY_PARENT_PID') == str(os.getpid()): {UNFIT[does]}"
    else:
        code = UNFIT[does]
    (tmp_path / "unfit.py").write_text(f"import os, socket, threading, time\n{code}\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    asked = "import os, sys; print('unfit' in sys.modules, os.getppid(), end='')"
    said = []
    with KernelPool(size=1, preload=["unfit"]) as pool:
        for _ in range(5):
            assert pool.wait(), pool.trouble
            said.append(run(asked)[0][0].split())

    assert {there for there, _ in said} == {"True"}
    assert [int(parent) == os.getpid() for _, parent in said[:3]] == [True] * 3
    # From then on what forks them knows nothing of that module
    assert int(said[-1][1]) != os.getpid()


DEATHS = [
    ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
    ("os._exit(3)", "ended with exit code 3"),
    ("__import__('ctypes').string_at(0)", "killed by SIGSEGV: compiled code in it"),
    ("os.abort()", "killed by SIGABRT: compiled code in it"),
]


@pytest.mark.parametrize(("dies", "told"), DEATHS)
def test_the_death_of_a_forked_kernel(dies, told, after_the_first, tmp_path, until):
    """The death of a forked kernel is seen at once, and what it had started is ended."""
    source = f"""
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "60"])
        with open("noted", "w") as file:
            file.write(f"{{os.getppid()}} {{child.pid}} {{time.time()}}")
        {dies}
    """

    _, reports = run(source, "'not run'", cwd=str(tmp_path))

    seen = time.time()
    parent, child, died = (tmp_path / "noted").read_text().split()
    assert int(parent) != os.getpid()
    assert [r.outcome for r in reports] == [CellOutcome.CRASHED, CellOutcome.NOT_RUN]
    assert told in reports[0].error.message
    assert seen - float(died) < 1.5
    assert until(lambda: is_gone(child), timeout=3)


def test_no_kernel_is_gone_before_its_exit_handlers(after_the_first, tmp_path, until):
    """However short a run is, its kernel hears that it is to end, and ends by itself."""
    cell = """
        import atexit, pathlib
        atexit.register(pathlib.Path("{}").touch)
    """
    for number in range(12):
        run(cell.format(number), cwd=str(tmp_path))

    assert until(lambda: len(list(tmp_path.iterdir())) == 12)


def test_a_forked_kernel_ends_as_programs_do(after_the_first, tmp_path, until):
    """A forked kernel can be interrupted, and runs its exit handlers at its end."""
    interrupted = """
        import atexit, os, pathlib, signal, time
        atexit.register(pathlib.Path("done").touch)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print(os.getpid(), "interrupted", end="")
    """

    said, _ = run(interrupted, cwd=str(tmp_path))

    pid, what = said[0].split()
    assert what == "interrupted"
    assert until((tmp_path / "done").exists)
    assert until(lambda: is_gone(pid))


HOLD = """
    import os, time
    with open("waits", "w") as file:
        file.write(f"{os.getpid()} {os.getppid()}")
    os.rename("waits", "holds")
    time.sleep(600)
"""


def holder(folder, until):
    """Return the process id of the kernel that holds on, and its parent's."""
    assert until((folder / "holds").exists), "no kernel holds on"
    return tuple(map(int, (folder / "holds").read_text().split()))


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_what_forks_kernels_fails(how, forget, tmp_path, until, monkeypatch):
    """When the process that forks kernels fails, notebooks run in kernels of their own."""
    who()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run, HOLD, cwd=str(tmp_path))
        kernel, zygote = holder(tmp_path, until)
        if how == "killed":
            os.kill(zygote, signal.SIGKILL)
        else:
            os.kill(zygote, signal.SIGSTOP)
            monkeypatch.setattr(nursery, "_PATIENCE", 0.5)
            assert who()[1] == os.getpid()
            os.kill(kernel, signal.SIGKILL)
            os.kill(zygote, signal.SIGCONT)
        _, reports = running.result(30)

    assert reports[0].outcome is CellOutcome.CRASHED
    assert "killed by SIGKILL" in reports[0].error.message
    assert zygote != os.getpid()
    assert until(lambda: is_gone(kernel) and is_gone(zygote))
    # The next ones work as if nothing had been
    assert zygote not in {who()[1], who()[1]}


OWNER = """
    import os, sys, threading
    sys.path.insert(0, sys.argv[1])
    from test_forked_kernels import HOLD, run, who

    who()
    print(who()[1], flush=True)
    if sys.argv[2] != "ends":
        run(HOLD)
"""


@pytest.mark.parametrize("end", ["ends", "killed", "killed while that is stopped"])
def test_no_process_outlives_its_owner(end, script, tmp_path, until):
    """However the owner ends, what forks its kernels is gone at once, and so are they."""
    owner = script(OWNER, Path(__file__).parent, end)
    zygote = int(owner.stdout.readline())
    processes = {zygote}
    if end != "ends":
        processes |= {*holder(tmp_path, until)}
        if end == "killed while that is stopped":
            os.kill(zygote, signal.SIGSTOP)
        owner.kill()

    said = owner.communicate(timeout=30)

    assert said == ("", "")
    assert len(processes) == 1 + (end != "ends")
    assert until(lambda: all(map(is_gone, processes)), timeout=5)


def test_a_new_package_is_found(after_the_first, tmp_path, monkeypatch):
    """After a package was installed, kernels are forked from a process that knows it."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    who()
    before = who()[1]

    (packages / "new-1.0.dist-info").mkdir()

    assert who()[1] == os.getpid()
    assert who()[1] not in {os.getpid(), before}
