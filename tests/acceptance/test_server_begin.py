"""How a server begins: it answers before it has loaded what only later answers need."""

import json
import os
import subprocess
import sys

import pytest
from serving import ROOT, free_port

pytestmark = pytest.mark.timeout(120)

#: ``nborch server start`` in a program that asks it for its first page, waits until
#: modules are there that were named to it, tells what it has by then, and ends it.
PROGRAM = """
import gc, json, os, signal, socket, sys, threading, time

from nborch.cli.main import cli
from nborch.server import serving

port, serving.QUIET, awaited = int(sys.argv[1]), float(sys.argv[2]), set(sys.argv[3:])

def asked():
    try:
        with socket.create_connection(("127.0.0.1", port)) as connected:
            connected.sendall(b"GET /login HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n")
            return connected.recv(100).decode()
    except ConnectionRefusedError:
        return ""

def ask():
    while not (answer := asked()):
        time.sleep(0.01)
    while awaited - {*sys.modules}:
        time.sleep(0.01)
    collects = gc.isenabled() and gc.get_freeze_count() > 0
    told = {"answer": answer, "modules": [*sys.modules], "collects": collects}
    print(json.dumps(told), file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=ask, daemon=True).start()
cli(["server", "start", "--no-browser", "--port", str(port)])
"""


@pytest.fixture
def begun(tmp_path):
    """Begins a server; returns what it has loaded, and what it has answered."""

    def begun(quiet, *awaited):
        words = [str(free_port()), str(quiet), *awaited]
        environ = {**os.environ, "NBORCH_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words],
            env=environ,
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        return json.loads(done.stderr)

    return begun


#: What no page needs with which a server begins.
LATER = (
    *("nborch.control.local", "nborch.work", "nborch.schedules", "nborch.limits"),
    *("nborch.server.watching", "nborch.server.notebooks", "nborch.flows"),
    *("nbformat", "jsonschema", "zoneinfo", "tempfile", "importlib.resources"),
)


def test_the_first_answer_waits_for_nothing_that_others_need(begun):
    """Pools, schedules, limits and notebooks are not loaded for the first page."""
    told = begun(3_600)

    assert "200 OK" in told["answer"]
    assert not {*LATER} & {*told["modules"]}


def test_what_comes_later_is_loaded_meanwhile(begun):
    """A server that was not asked for anything yet has loaded what it will be."""
    awaited = ["nborch.control.local", "jsonschema"]

    told = begun(0, *awaited)

    assert {*awaited} <= {*told["modules"]}


def test_garbage_is_looked_for_once_it_has_begun(begun):
    """What was loaded at the beginning is never looked through; what comes then is."""
    assert begun(3_600)["collects"]
