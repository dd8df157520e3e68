"""A server in a process of its own, for tests: asked over HTTP like any other."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Follower", "Served", "free_port", "raw"]

ROOT = Path(__file__).parents[2]


def free_port():
    """Return a port at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Answer:
    """What a server has answered."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Served:
    """``nborch server start`` on a home, on a port that stays the same."""

    def __init__(self, home, *words, port=None, **environ):
        self.home, self.words, self.environ = Path(home), words, environ
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.output = []

    def start(self, timeout=60):
        """Start it; return when it answers."""
        command = [
            *(sys.executable, "-m", "nborch", "server", "start", "--no-browser"),
            *("--port", str(self.port)),
            *self.words,
        ]
        environ = {
            **os.environ,
            "NBORCH_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **self.environ,
        }
        self.process = subprocess.Popen(
            command,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until = time.monotonic() + timeout
        while not any("login?token=" in line for line in self.output):
            assert self.process.poll() is None, "".join(self.output)
            assert time.monotonic() < until, "".join(self.output)
            time.sleep(0.01)
        return self

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)

    @property
    def way_in(self):
        """The address with the token, as it was printed."""
        return next(e.strip() for e in self.output if "login?token=" in e)

    @property
    def token(self):
        return self.way_in.partition("token=")[2]

    def ask(self, path, method="GET", body=None, *, auth=True, **headers):
        """Send a request; return the answer, whatever it is."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if auth:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(
            self.base + path, data=data, headers=sent, method=method
        )
        try:
            with _opener.open(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def get(self, path, **headers):
        return self.ask(path, **headers)

    def post(self, path, body=None, **headers):
        return self.ask(path, "POST", {} if body is None else body, **headers)

    def follow(self, *topics, after=None):
        """Return what follows topics, and comes back when the server does."""
        return Follower(self, topics, after)

    def stop(self):
        """End it as Ctrl-C does; return its exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(40)
        finally:
            self.kill()

    def kill(self):
        """End it as the lack of memory does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(10)
        self.process.stdout.close()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a test wants to see it."""

    def redirect_request(self, *_, **__):
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)


class Follower:
    """Follows topics as a browser does: it comes back with the id of the last event."""

    def __init__(self, served, topics, after=None):
        self.served, self.topics, self.after = served, topics, after
        self.events = []
        self.connections = 0
        self._ends = False
        self._socket = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ends:
            with suppress(OSError, ValueError, IndexError, StopIteration):
                self._follow()
            time.sleep(0.05)

    def _follow(self):
        served = self.served
        topics = ",".join(self.topics)
        came_back = f"Last-Event-ID: {self.after}\r\n" if self.after is not None else ""
        with socket.create_connection(("127.0.0.1", served.port), 5) as connected:
            self._socket = connected
            connected.settimeout(60)
            connected.sendall(
                f"GET /api/stream?topics={topics} HTTP/1.0\r\n"
                f"Host: 127.0.0.1:{served.port}\r\n"
                f"Authorization: Bearer {served.token}\r\n{came_back}\r\n".encode()
            )
            with connected.makefile("rb") as file:
                status = int(file.readline().split()[1])
                while file.readline().strip():
                    pass
                assert status == 200, file.read()
                self.connections += 1
                self._read(file)

    def _read(self, file):
        name, data = "", ""
        for raw_line in file:
            line = raw_line.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line.startswith("id: "):
                self.after = int(line[4:])
            elif not line and name:
                self.events.append((name, json.loads(data)))
                name, data = "", ""

    def of(self, name):
        """Return what has come under a name."""
        return [data for each, data in tuple(self.events) if each == name]

    def close(self):
        self._ends = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)


def raw(port, request, *, timeout=10):
    """Send bytes as they are; return the bytes that come until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connected:
        connected.settimeout(timeout)
        connected.sendall(request)
        came = b""
        try:
            while piece := connected.recv(65_536):
                came += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return came
