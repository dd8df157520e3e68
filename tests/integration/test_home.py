"""The home: one folder per program, opened when it is used."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nborch import flow, task
from nborch.home import current_home, open_home
from nborch.leasing import is_alive
from nborch.settings import load_settings


@task
def inc(n):
    return n + 1


def test_nothing_is_made_before_it_is_used(home):
    """Asking for the home makes no folder; the first run does."""
    assert not home.folder.exists()

    inc(1)

    assert (home.folder / "nborch.db").exists()
    assert not (home.folder / "cache").exists()


def test_a_home_is_one_for_the_process(home, tmp_path):
    """Whoever asks for one folder gets the same home."""
    settings = load_settings(environ={"NBORCH_HOME": str(home.folder)})

    assert current_home() is home is open_home(settings)


def test_only_the_user_may_look_into_the_home(home):
    """The folders of the home belong to the user alone."""
    inc(1)

    assert home.folder.stat().st_mode & 0o777 == 0o700
    assert (home.folder / "processes").stat().st_mode & 0o777 == 0o700


def test_a_process_has_one_name(home):
    """All threads of a process make their runs in one name, which is alive."""
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: home.process, range(50)))

    (name,) = names
    assert is_alive(home.folder / "processes", name)


def test_a_closed_home_gives_its_name_back_and_opens_again(home):
    """After closing, the process counts as gone; the next run opens everything again."""
    inc(1)
    before = home.process
    home.close()
    assert not is_alive(home.folder / "processes", before)

    inc(1)

    assert home.process != before
    assert len(home.store.records()) == 2


def test_a_forked_child_has_a_name_of_its_own(home):
    """A run of a forked child is the child's, and ends with it."""

    @flow
    def f():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                inc(1)
                code = 0
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert f() == 0

    processes = {r.run.of: r.run.process for r in home.store.records()}
    assert processes["f"] == home.process
    assert processes["inc"] != home.process
    assert all(r.state.is_completed() for r in home.store.records())


def test_a_fork_while_other_threads_work_harms_neither(home):
    """Children forked among working threads run their tasks to the end."""
    stop = threading.Event()

    def work():
        while not stop.is_set():
            inc(1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes = []
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 0 if inc(1) == 2 else 2
                finally:
                    os._exit(code)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert codes == [0] * 5
    home.recorder.flush()
    assert home.store.unfinished() == []


POOL = """
    import multiprocessing
    from nborch import flow, task
    from nborch.home import current_home

    @task
    def inc(n):
        return n + 1

    def call(n):
        return inc(n)

    @flow
    def f():
        with multiprocessing.get_context("fork").Pool(3) as pool:
            return sum(pool.map(call, range(30)))

    if __name__ == "__main__":
        print(f())
        store = current_home().store
        top = store.records(top=True)[0]
        print(len(store.children(top.run.id)), len(store.unfinished()))
"""


def test_tasks_in_a_process_pool_are_runs_of_the_flow(script):
    """Tasks that a pool's processes call within a flow are all recorded under it."""
    out, told = script(POOL, NBORCH_LOG_LEVEL="ERROR").communicate(timeout=60)

    assert out.split() == ["465", "30", "0"], told


@pytest.mark.parametrize("where", ["nearest", "declared"])
def test_the_home_follows_the_current_folder(tmp_path, monkeypatch, where):
    """Work in a project's folder uses the project's home."""
    monkeypatch.delenv("NBORCH_HOME")
    if where == "nearest":
        (tmp_path / ".nborch").mkdir()
    else:
        (tmp_path / "pyproject.toml").write_text('[tool.nborch]\nhome = ".nborch"\n')
    monkeypatch.chdir(tmp_path)

    opened = current_home()

    assert opened.folder == tmp_path / ".nborch"
    inc(1)
    assert (tmp_path / ".nborch" / "nborch.db").exists()
    opened.close()
