"""Programs as people write them for Prefect run with the import root replaced."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

NBORCH = Path(sys.executable).with_name("nborch")


@pytest.fixture
def run(tmp_path):
    """Run a program in a process and a home of its own; return what it printed."""

    def run(*command):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "NBORCH_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, done.stderr

    def program(text, before=""):
        path = tmp_path / "program.py"
        path.write_text(before + text)
        return run(sys.executable, path)

    program.command = run
    return program


@pytest.fixture
def web():
    """A web server of this machine: its address, and how many asked at once."""
    asking, most = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asking.append(1)
            most.append(len(asking))
            time.sleep(0.02)
            body = json.dumps([{"path": self.path, "active": False}]).encode()
            asking.pop()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.most = most
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def lines(text):
    """Return the lines of a log without their times and the names of runs."""
    text = re.sub(r"^[\d:.]+ \| ", "", text, flags=re.MULTILINE)
    text = re.sub(r"(low run) '\w+-\w+'", r"\1 'nimble-falcon'", text)
    return re.sub(r" +", " ", text).splitlines()


QUICK_EXAMPLE = """
from nborch import flow, task

@task
def fetch_data(url: str) -> list[dict]:
    import httpx
    return httpx.get(url).json()

@task
def process(records: list[dict]) -> list[dict]:
    return [r for r in records if r.get("active")]

@flow(name="My Pipeline")
def pipeline(url: str) -> list[dict]:
    raw = fetch_data(url)
    return process(raw)

if __name__ == "__main__":
    result = pipeline("https://httpbin.org/json")
    print(result)
"""


def test_quick_example(run, web):
    """The first program prints its result, and tells of each run that has finished."""
    pytest.importorskip("httpx")

    out, err = run(QUICK_EXAMPLE.replace("https://httpbin.org", web.address))

    assert out == "[]\n"
    told = [line for line in lines(err) if "httpx" not in line]
    assert told == [
        "INFO | nborch.engine - Created flow run 'nimble-falcon' for flow 'My Pipeline'",
        "INFO | Task run 'fetch_data' - Finished in state Completed()",
        "INFO | Task run 'process' - Finished in state Completed()",
        "INFO | Flow run 'nimble-falcon' - Finished in state Completed()",
    ]


RETRIES = """
from nborch import flow, task
from datetime import timedelta

@task(
    retries=3,
    retry_delay_seconds=10,
    timeout_seconds=30,
    log_prints=True,
)
def unreliable_api_call(endpoint: str) -> dict:
    import httpx, random
    if random.random() < 0.5:
        raise ConnectionError("Simulated network failure")
    print(f"Called {endpoint} successfully")
    return {"status": "ok"}

@flow(
    retries=1,
    timeout_seconds=120,
    log_prints=True,
)
def robust_pipeline():
    result = unreliable_api_call("https://api.example.com/data")
    print(f"Result: {result}")

robust_pipeline()
"""


def test_retries_and_timeouts(run):
    """A task that fails once is tried again after its delay, and all of it is told."""
    pytest.importorskip("httpx")
    # The first draw fails, the second does not; nobody waits for ten seconds.
    before = (
        "import random, time\n"
        "random.random, time.sleep = iter([0.1, 0.9]).__next__, lambda seconds: None\n"
    )

    out, err = run(RETRIES, before)

    assert out == ""
    assert lines(err)[1:] == [
        "INFO | Task run 'unreliable_api_call' - Retrying in 10.0 seconds...",
        "INFO | Task run 'unreliable_api_call' - Called https://api.example.com/data successfully",
        "INFO | Task run 'unreliable_api_call' - Finished in state Completed()",
        "INFO | Flow run 'nimble-falcon' - Result: {'status': 'ok'}",
        "INFO | Flow run 'nimble-falcon' - Finished in state Completed()",
    ]


CACHING = """
from nborch import flow, task
from nborch.tasks import task_input_hash
from datetime import timedelta
import time

@task(
    cache_key_fn=task_input_hash,
    cache_expiration=timedelta(hours=1),
    log_prints=True,
)
def expensive_query(sql: str) -> list[dict]:
    print(f"Running query: {sql}")
    time.sleep(2)  # simulate slow DB call
    return [{"result": 42}]

@flow
def pipeline():
    # First call — runs the query
    r1 = expensive_query("SELECT * FROM big_table")
    # Second call with same input — returns cached result instantly
    r2 = expensive_query("SELECT * FROM big_table")
    print(r1, r2)

pipeline()
"""


def test_caching(run):
    """The second call gets the first one's result, and so does the next process."""
    out, err = run(CACHING)
    again, told_again = run(CACHING)

    assert out == again == "[{'result': 42}] [{'result': 42}]\n"
    assert err.count("Running query: SELECT * FROM big_table") == 1
    assert err.count("Finished in state Cached") == 1
    assert "Running query" not in told_again


PARALLEL = """
from nborch import flow, task
from nborch.futures import wait
import time

@task(log_prints=True)
def process_item(item: int) -> int:
    time.sleep(0.5)
    return item ** 2

@flow
def parallel_pipeline(items: list[int]) -> list[int]:
    futures = [process_item.submit(item) for item in items]
    wait(futures)
    return [f.result() for f in futures]

result = parallel_pipeline(list(range(10)))
print(result)
"""


def test_parallel_submission(run):
    """Ten submitted tasks run at the same time, and their results come in order."""
    after = "\nprint(time.perf_counter() - start < 4)\n"

    out, _ = run(PARALLEL + after, "import time\nstart = time.perf_counter()\n")

    # One after the other they would take five seconds.
    assert out == "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\nTrue\n"


SUBFLOWS = """
from nborch import flow, task

@task
def validate(data: list) -> bool:
    return len(data) > 0

@flow(name="transform")
def transform_flow(data: list) -> list:
    if validate(data):
        return [x * 2 for x in data]
    return []

@flow(name="main")
def main_flow():
    raw = [1, 2, 3, 4, 5]
    result = transform_flow(raw)   # sub-flow call
    print(f"Transformed: {result}")

main_flow()
"""


def test_subflows(run):
    """A flow called in a flow is a run of its own, and told so."""
    out, err = run(SUBFLOWS)

    assert out == "Transformed: [2, 4, 6, 8, 10]\n"
    told = "\n".join(lines(err))
    assert "Created flow run 'nimble-falcon' for flow 'main'" in told
    assert "Created subflow run for flow 'transform'" in told


HOOKS = """
from nborch import flow, task
from nborch.states import State

@task(log_prints=True)
def my_task():
    print("task running")
    return 42

def on_failure(flow, flow_run, state):
    print(f"Flow {flow.name} failed: {state.message}")

def on_completion(flow, flow_run, state):
    print(f"Flow {flow.name} completed successfully")

@flow(
    on_failure=[on_failure],
    on_completion=[on_completion],
    log_prints=True,
)
def instrumented_flow():
    result = my_task()
    print(f"Result: {result}")

instrumented_flow()
"""


def test_logging_and_hooks(run):
    """Prints go to the run's log, and the hook of what happened is called."""
    out, err = run(HOOKS)

    told = lines(err)
    assert "INFO | Task run 'my_task' - task running" in told
    assert "INFO | Flow run 'nimble-falcon' - Result: 42" in told
    assert "Flow instrumented-flow completed successfully" in out + err
    assert "failed" not in out + err


def test_a_hook_of_failure(run):
    """When the flow raises, the hook of failure is called with the state."""
    failing = HOOKS.replace("    return 42", "    raise ValueError('boom')")
    failing = failing.replace(
        "\ninstrumented_flow()", "instrumented_flow(return_state=True)"
    )

    out, err = run(failing)

    assert "Flow instrumented-flow failed: Flow run encountered" in out + err


CONCURRENCY = """
from nborch import flow, task
from nborch.concurrency.sync import concurrency

@task
def api_call(endpoint: str) -> dict:
    with concurrency("external-api", occupy=1):
        import httpx
        return httpx.get(endpoint).json()

@flow
def batch_requests(endpoints: list[str]) -> list[dict]:
    futures = [api_call.submit(ep) for ep in endpoints]
    return [f.result() for f in futures]
"""


def test_concurrency_limits(run, web):
    """A limit made on the command line holds for all tasks that ask for it."""
    pytest.importorskip("httpx")
    run.command(NBORCH, "concurrency-limit", "create", "external-api", "5")
    after = (
        f"\nendpoints = [f'{web.address}/{{n}}' for n in range(20)]\n"
        "print([row['path'] for rows in batch_requests(endpoints) for row in rows])\n"
    )

    out, _ = run(CONCURRENCY + after)

    assert out == f"{[f'/{n}' for n in range(20)]}\n"
    assert len(web.most) == 20
    assert 1 < max(web.most) <= 5
