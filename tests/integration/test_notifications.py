"""Notifications: somebody is told how a run ended."""

import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch import flow, notebook_flow
from nborch.deploy.notifying import Notifying, message_of, notify
from nborch.deploy.status import Status
from nborch.deploy.triggering import trigger
from nborch.deploy.worker import Worker
from nborch.exceptions import CellFailed, InvalidDeclaration, NborchWarning
from nborch.settings import load_settings


class FakeApprise:
    """Stands in for the class ``apprise.Apprise`` where apprise is not installed."""

    sent: ClassVar[list] = []

    def __init__(self):
        self.urls = []

    def add(self, url):
        if url.startswith("no-such-service:"):
            return False
        self.urls.append(url)
        return True

    def __len__(self):
        return len(self.urls)

    def notify(self, body, title):
        self.sent.append((tuple(self.urls), title, body))
        return True


@pytest.fixture
def sent(monkeypatch):
    """What is sent, with apprise installed or not."""
    fake = types.SimpleNamespace(Apprise=FakeApprise)
    monkeypatch.setitem(sys.modules, "apprise", fake)
    monkeypatch.setattr(FakeApprise, "sent", [])
    return FakeApprise.sent


def test_a_failure_tells_the_cell_and_its_line(home, tmp_path):
    """The message of a notebook's failure names the cell, its line and the error."""
    nb = new_notebook(
        cells=[
            new_code_cell("rows = 0"),
            new_code_cell("ready = True\nshare = 1 / rows"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(nb, tmp_path / "etl.ipynb")
    told = []

    def tell(*about):
        told.append(about)

    etl = notebook_flow(tmp_path / "etl.ipynb", on_failure=[tell])

    with pytest.raises(CellFailed):
        etl()

    (record,) = home.store.records(of="etl", limit=1)
    title, text = message_of(home, record, "etl/nightly")
    assert title == f"etl/nightly: run '{record.run.name}' has failed"
    assert "ZeroDivisionError: division by zero" in text
    assert "cell 2" in text.lower()
    assert "line 2" in text
    assert f"nborch flow-run logs {record.run.name}" in text
    (_, _, state) = told[0]
    assert state.message in text


def test_the_ends_that_were_asked_for_are_told(
    home, tmp_path, monkeypatch, sent, until
):
    """A worker tells of failures, where the settings say, and of nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAT", "chat://token")
    (tmp_path / "pyproject.toml").write_text(
        """
        [tool.nborch.notify]
        urls = ["${env:CHAT}", "mailto://a@example.org"]
        on = ["failed"]
        """
    )

    @flow
    def picky(n: int):
        if n < 0:
            raise ValueError("below zero")

    deployment = home.deployments.put(picky.to_deployment("picky"))
    worker = Worker(home, [deployment.lane], watcher=Notifying(home, Status()))
    worker.start()
    good = trigger(home, deployment, {"n": 1})
    bad = trigger(home, deployment, {"n": -1})

    def is_over():
        return home.store.record(good.run.id).state.is_over()

    assert until(sent.copy, 30)
    assert until(is_over, 30)
    worker.stop()
    assert worker.join(30)

    ((urls, title, text),) = sent
    assert urls == ("chat://token", "mailto://a@example.org")
    assert title == f"picky/picky: run '{bad.run.name}' has failed"
    assert "ValueError: below zero" in text


def test_what_cannot_be_sent_is_told(sent):
    """An address that is not known, or lacks its variable, is told without its secret."""
    with pytest.warns(NborchWarning) as warned:
        notify(("no-such-service://secret", "chat://${env:NOT_SET_HERE}"), "t", "b")

    told = " ".join(str(each.message) for each in warned)
    assert "'no-such-service'" in told
    assert "secret" not in told
    assert "'NOT_SET_HERE'" in told
    assert not sent


def test_without_apprise_it_is_told_what_to_install(monkeypatch):
    """Who asks for notifications without the extra is told how to install it."""
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.warns(NborchWarning, match=r"pip install 'nborch\[notify\]'"):
        notify(("chat://token",), "title", "body")


# Its own imports are deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_real_apprise_sends(tmp_path):
    """With apprise installed, a message arrives where the address says."""
    pytest.importorskip("apprise")
    arrived = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            arrived.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        notify((f"json://127.0.0.1:{server.server_port}/",), "a title", "a body")
        server.shutdown()

    assert (arrived[0]["title"], arrived[0]["message"]) == ("a title", "a body")


def test_wrong_settings_are_refused(tmp_path):
    """An end that does not exist is refused with those that do."""
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.nborch.notify]\nurls = ["chat://x"]\non = ["faild"]\n')

    with pytest.raises(InvalidDeclaration, match=r"no end 'faild'\. Did you mean"):
        load_settings(tmp_path, environ={})
