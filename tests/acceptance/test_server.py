"""``nborch server``: started, asked, killed and started again, as people do it."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
from serving import ROOT, Served, free_port, raw

from nborch.events import run_created, state_entered
from nborch.home import Home
from nborch.runs import Run, RunKind, new_id
from nborch.settings import Settings
from nborch.states import Completed, Running

pytestmark = pytest.mark.timeout(120)

#: A flow of several tasks that goes on as far as the test lets it.
FLOW = """
    import sys, time
    from pathlib import Path
    from nborch import flow, get_run_logger, task

    gate = Path(sys.argv[1])
    count = int(sys.argv[2])

    @task
    def step(number):
        get_run_logger().info("step %d", number)
        return number

    @flow
    def paced():
        for number in range(count):
            while not (gate / str(number)).exists():
                time.sleep(0.01)
            step(number)
        return "done"

    print(paced(), flush=True)
"""


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path / "home") as server:
        yield server


@pytest.fixture
def gate(tmp_path):
    folder = tmp_path / "gate"
    folder.mkdir()
    return folder


def run_id(served, flow="paced"):
    items = served.get(f"/api/runs?flow={flow}").json["items"]
    return items[0]["id"] if items else None


def graph_of(events):
    """Return the graph as a browser has it after these events."""
    run, nodes, seq = None, {}, None
    for event in events:
        if event["type"] == "snapshot":
            run, seq = event["run"], event["seq"]
            nodes = {node["id"]: node for node in event["nodes"]}
        elif event["seq"] > seq:
            assert event["seq"] == seq + 1, "a delta is missing"
            seq = event["seq"]
            run = event.get("run", run)
            nodes |= {node["id"]: node for node in event["nodes"]}
    return run, nodes


def test_a_page_is_told_of_a_run_as_it_goes_on(served, script, gate, until):
    """Runs, graph and log come over one connection, as they happen."""
    process = script(FLOW, gate, 3)
    follower = served.follow("runs")
    until(lambda: run_id(served))
    run = run_id(served)
    page = served.follow("runs", f"run:{run}", f"log:{run}", after=0)
    until(lambda: page.of("here"))

    for number in range(3):
        (gate / str(number)).touch()
        assert until(lambda n=number: f"step {n}" in str(page.of("log")))

    assert until(
        lambda: (
            "COMPLETED" in [e["items"][0]["state"]["type"] for e in follower.of("runs")]
        )
    )
    assert until(lambda: graph_of(page.of("graph"))[0]["state"]["type"] == "COMPLETED")
    shown, nodes = graph_of(page.of("graph"))
    kept = served.get(f"/api/runs/{run}/graph").json
    assert shown["id"] == run
    assert {n["id"]: n["state"] for n in nodes.values()} == {
        n["id"]: n["state"] for n in kept["nodes"]
    }
    told = [line["sequence"] for page_ in page.of("log") for line in page_["lines"]]
    assert told == sorted(set(told))
    assert until(lambda: page.of("runs")[-1]["items"][-1]["tasks"] == {"COMPLETED": 3})
    assert process.wait(20) == 0
    page.close()
    follower.close()


def test_a_server_that_is_killed_during_a_run_is_missed_by_nobody(
    served, script, gate, until
):
    """Killed and started again: the run never notices, and who follows misses nothing."""
    process = script(FLOW, gate, 6)
    until(lambda: run_id(served))
    run = run_id(served)
    follower = served.follow("runs", f"run:{run}", f"log:{run}", after=0)
    (gate / "0").touch()
    until(lambda: "step 0" in str(follower.of("log")))

    served.kill()
    for number in (1, 2, 3):
        (gate / str(number)).touch()
    until(lambda: "step 3" in str(kept_lines(served.home, run)))
    served.start()

    assert until(lambda: follower.connections >= 2)
    assert until(lambda: "step 3" in str(follower.of("log")))
    for number in (4, 5):
        (gate / str(number)).touch()
    assert process.wait(20) == 0
    out, err = process.communicate()
    assert "done" in out, err
    assert until(lambda: states_of(follower)[-1:] == ["COMPLETED"])
    assert until(lambda: len(lines_of(follower)) == 6)
    assert lines_of(follower) == [f"step {number}" for number in range(6)]
    snapshots = [e for e in follower.of("graph") if e["type"] == "snapshot"]
    last = follower.of("graph").index(snapshots[-1])
    assert until(
        lambda: (
            Counter(
                n["state"]["type"]
                for n in graph_of(follower.of("graph")[last:])[1].values()
            )
            == {"COMPLETED": 6}
        )
    )
    follower.close()


def test_a_run_that_ended_while_nobody_watched_is_told(served, until):
    """Whoever comes back after the server was gone is told what ended meanwhile."""
    home = Home(Settings(served.home, served.home / "secret.key"))
    now = datetime.now(UTC)
    run = Run(
        new_id(now.timestamp()), RunKind.FLOW, "f", "quiet-wolf", now, home.process
    )
    home.store.append(
        [run_created(run), state_entered(run.id, Running().stamped(now), 1)]
    )
    follower = served.follow("runs", after=0)
    assert until(lambda: states_of(follower) == ["RUNNING"])

    served.kill()
    home.store.append(
        [state_entered(run.id, Completed().stamped(datetime.now(UTC)), 1)]
    )
    home.close()
    served.start()

    assert until(lambda: states_of(follower) == ["RUNNING", "COMPLETED"])
    follower.close()


def test_a_run_whose_process_dies_is_told(served, script, gate, until):
    """Death changes no file: it is looked for while somebody follows."""
    process = script(FLOW, gate, 1)
    assert until(lambda: run_id(served))
    follower = served.follow("runs")
    until(lambda: follower.of("here"))

    process.kill()

    assert until(lambda: states_of(follower) == ["CRASHED"])
    follower.close()


def kept_lines(folder, run):
    home = Home(Settings(folder, folder / "secret.key"))
    try:
        return [event.data["message"] for event in home.store.logs(run)]
    finally:
        home.close()


def states_of(follower):
    """Return the states of runs in the order in which they were told."""
    told = [item for event in follower.of("runs") for item in event["items"]]
    return [item["state"]["type"] for item in told]


def lines_of(follower):
    """Return the lines of tasks in the order in which they came, as a page has them.

    A connection that breaks amid several events is told them again, and a page drops
    what it knows.
    """
    lines = [line for event in follower.of("log") for line in event["lines"]]
    told = {line["sequence"]: line["message"] for line in lines}
    return [message for message in told.values() if message.startswith("step")]


def test_what_changes_beside_runs_is_told(served, until):
    """Limits, pools and the cache: whoever shows them is told to ask again."""
    follower = served.follow("limits", "pools", "cache", "deployments")
    until(lambda: follower.of("here"))
    told = {name: len(follower.of(name)) for name in ("limits", "pools", "cache")}

    served.post("/api/concurrency-limits", {"name": "api", "slots": 2})
    assert until(lambda: len(follower.of("limits")) > told["limits"])
    served.post("/api/work-pools", {"name": "nightly"})
    assert until(lambda: len(follower.of("pools")) > told["pools"])
    (served.home / "cache").mkdir(exist_ok=True)
    (served.home / "cache" / "cache.db").write_bytes(b"")
    assert until(lambda: len(follower.of("cache")) > told["cache"])

    assert len(follower.of("deployments")) == 1
    follower.close()


def test_who_reads_slowly_holds_up_nobody(served, script, gate, until):
    """A connection that takes nothing is left behind, and the others are told at once."""
    stuck = [
        raw_stream(served, "runs,pools,limits,deployments,cache") for _ in range(20)
    ]
    process = script(FLOW, gate, 30)
    until(lambda: run_id(served))
    run = run_id(served)
    stuck.append(raw_stream(served, f"run:{run},log:{run}"))
    follower = served.follow(f"run:{run}")
    until(lambda: follower.of("here"))

    for number in range(30):
        (gate / str(number)).touch()

    assert until(
        lambda: graph_of(follower.of("graph"))[0]["state"]["type"] == "COMPLETED"
    )
    assert process.wait(20) == 0
    for connection in stuck:
        connection.close()
    follower.close()


def raw_stream(served, topics):
    """Return a connection that asks for a stream and reads nothing of it."""
    import socket

    connected = socket.create_connection(("127.0.0.1", served.port), 5)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connected.sendall(
        f"GET /api/stream?topics={topics} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {served.token}\r\n\r\n".encode()
    )
    return connected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("topics=nothing", 422),
        ("topics=run:", 404),
        ("topics=run:01a2010a-e9ba-7f01-953f-7cc263488ffc", 404),
        ("topics=run:..%2F..", 404),
        ("topics=runs&topics=cache", 422),
        ("topics=runs&after=-1", 422),
        ("topics=runs&after=9999999999999999999999", 422),
        ("topics=" + ",".join(f"run:{n}" for n in range(50)), 422),
    ],
)
def test_a_stream_of_nothing_is_refused(served_by_all, query, status):
    """What cannot be followed is said at once, in words."""
    told = served_by_all.get(f"/api/stream?{query}")

    assert told.status == status
    assert told.headers["Content-Type"] == "application/problem+json"
    assert told.json["detail"]


@pytest.fixture(scope="module")
def served_by_all(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("served") / "home") as server:
        yield server


def test_who_comes_back_after_long_is_told_to_ask_again(served_by_all, until):
    """Too much to be told of is not told of: the page asks for the list."""
    home = Home(Settings(served_by_all.home, served_by_all.home / "secret.key"))
    now = time.time()
    made = []
    for number in range(300):
        at = datetime.fromtimestamp(now + number / 1000, UTC)
        run = Run(
            new_id(now + number / 1000),
            RunKind.FLOW,
            "many",
            f"many-{number}",
            at,
            home.process,
        )
        made += [run_created(run), state_entered(run.id, Completed().stamped(at), 1)]
    home.store.append(made)
    home.close()

    follower = served_by_all.follow("runs", after=0)

    assert until(lambda: follower.of("here"))
    assert follower.of("runs") == [{"items": [], "again": True}]
    assert follower.after >= 600
    follower.close()


def test_a_taken_port_is_told_with_a_way_out(served_by_all, tmp_path):
    """The second server on a port says so, and what to do."""
    told = nborch(
        tmp_path, "server", "start", "--no-browser", "--port", str(served_by_all.port)
    )

    assert told.returncode == 2
    assert f"Port {served_by_all.port} is taken" in told.stderr
    assert f"--port {served_by_all.port + 1}" in told.stderr
    assert "Traceback" not in told.stderr


def nborch(home, *words):
    environ = {**os.environ, "NBORCH_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "nborch", *words],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_server_is_found_and_ended_by_its_home(tmp_path):
    """``status`` says where it is, ``stop`` ends it, and nothing of it is left."""
    home = tmp_path / "home"
    with Served(home) as served:
        found = nborch(home, "server", "status")
        assert f"http://127.0.0.1:{served.port}/" in found.stdout
        assert served.token not in found.stdout

        ended = nborch(home, "server", "stop")

        assert "The server has ended." in ended.stdout
        assert served.process.wait(40) == 0
    gone = nborch(home, "server", "status")
    assert (gone.returncode, gone.stdout) == (
        1,
        "No server runs. Start one with: nborch server start\n",
    )
    assert nborch(home, "server", "stop").stdout == "No server runs.\n"
    assert not (home / "server.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(tmp_path, until, number):
    """Ctrl-C and SIGTERM end it with 0 at once, also while pages follow."""
    with Served(tmp_path / "home") as served:
        follower = served.follow("runs")
        until(lambda: follower.of("here"))

        served.process.send_signal(number)

        assert served.process.wait(40) == 0
        follower.close()
    assert "Traceback" not in "".join(served.output)


def test_a_token_and_cookies_survive_a_restart(tmp_path):
    """Whoever was let in stays so when the server comes back, unless it has a new token."""
    served = Served(tmp_path / "home").start()
    token = served.token
    cookie = served.ask(f"/login?token={token}", auth=False).headers["Set-Cookie"]
    cookie = cookie.partition(";")[0]
    served.stop()

    with served:
        assert served.token == token
        assert served.ask("/api/runs", auth=False, Cookie=cookie).status == 200

    with Served(tmp_path / "home", "--new-token", port=served.port) as renewed:
        assert renewed.token != token
        assert renewed.ask("/api/runs", auth=False, Cookie=cookie).status == 401


def test_beyond_this_machine_it_says_so(tmp_path):
    """Others may reach it only if one asks for that, and are let in by the token only."""
    with Served(tmp_path / "home", "--host", "0.0.0.0") as served:
        assert "they need the token" in "".join(served.output)
        assert served.ask("/api/runs", auth=False).status == 401
        assert served.get("/api/runs").status == 200
        assert served.way_in.startswith(f"http://127.0.0.1:{served.port}/login")


def test_a_password_comes_from_the_environment(tmp_path):
    """It opens the form, and never the API."""
    word = "correct horse"
    with Served(tmp_path / "home", NBORCH_SERVER_PASSWORD=word) as served:
        told = served.post("/login", {"secret": word}, auth=False)
        assert told.status == 200
        cookie = told.headers["Set-Cookie"].partition(";")[0]
        assert served.ask("/api/runs", auth=False, Cookie=cookie).status == 200
        refused = served.ask("/api/runs", auth=False, Authorization=f"Bearer {word}")
        assert refused.status == 401


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "203.0.113.9"), "cannot listen at '203.0.113.9'"),
        (("--host", "no such host"), "it has no such address"),
        (("--url", "flows.example.org"), "is no address of a page"),
        (("--port", "0"), "The token in NBORCH_SERVER_TOKEN is too short"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(tmp_path, words, told, monkeypatch):
    """No traceback for a wrong option."""
    monkeypatch.setenv("NBORCH_SERVER_TOKEN", "guess me")

    ended = nborch(tmp_path, "server", "start", "--no-browser", *words)

    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_files_of_the_server_are_its_owners_alone(tmp_path):
    """The token, and where the server is, are for nobody else to read."""
    with Served(tmp_path / "home") as served:
        for path in (served.home / "server" / "token", served.home / "server.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert served.token not in (served.home / "server.json").read_text()
        assert json.loads((served.home / "server.json").read_text())["address"]


def test_a_slow_stranger_keeps_nobody_out(served_by_all):
    """S12: Connections that say nothing, or hardly anything, cost little."""
    import socket

    silent = [
        socket.create_connection(("127.0.0.1", served_by_all.port), 5)
        for _ in range(200)
    ]
    for connection in silent[::2]:
        connection.sendall(b"GET /api/runs HTTP/1.1\r\nHost: loc")

    began = time.monotonic()
    assert served_by_all.get("/api/health").json == {"status": "ok"}

    assert time.monotonic() - began < 5
    for connection in silent:
        connection.close()


def test_nonsense_is_answered_and_forgotten(served_by_all):
    """Bytes that are no HTTP end their connection, and nothing else."""
    for nonsense in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"\x00" * 100_000,
        b"GET / HTTP/9\r\n\r\n",
    ):
        raw(served_by_all.port, nonsense, timeout=1)

    assert served_by_all.get("/api/health").status == 200
    assert "Traceback" not in "".join(served_by_all.output)


def test_port_zero_takes_one_that_is_free(tmp_path):
    """Whoever does not care is told which one it is."""
    home = tmp_path / "home"
    served = Served(home, "--port", "0", port=free_port())
    with served:
        port = int(served.way_in.split(":")[2].partition("/")[0])
        served.port, served.base = port, f"http://127.0.0.1:{port}"
        assert served.get("/api/health").status == 200
