"""Notifications: somebody is told by mail, Slack or the like how a run ended.

What is to be told, and where, stands in pyproject.toml::

    [tool.nborch.notify]
    urls = ["${env:SLACK_URL}", "mailto://user:password@example.org"]
    on = ["failed", "crashed"]

The addresses are those of apprise, which knows a hundred services.
"""

import os
import queue
import re
import threading
import warnings
from contextlib import suppress

from nborch.deploy.status import Status
from nborch.exceptions import NborchError, NborchWarning
from nborch.home import Home
from nborch.runs import RunKind, RunRecord
from nborch.settings import load_settings
from nborch.states.base import UNHAPPY
from nborch.work import ClaimedRun

__all__ = ["Notifying", "message_of", "notify"]

_FROM_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def message_of(home: Home, record: RunRecord, of: str) -> tuple[str, str]:
    """Return the title and the text that tell how a run ended.

    Parameters
    ----------
    of
        What it is a run of.
    """
    run, state = record.run, record.state
    title = f"{of}: run {run.name!r} {_ending(record)}"
    lines = [state.message or f"It ended in state {state.name}."]
    failed = _failed_within(home, record)
    if failed is not None:
        where = failed.run.details.get("label") or failed.run.of
        told = (failed.state.message or "").partition("\n")[0]
        if told and told not in lines[0]:
            lines.append(f"Task run {where!r}: {told}")
    if run.details.get("output"):
        lines.append(f"Executed notebook: {run.details['output']}")
    lines.append(f"Look into it: nborch flow-run logs {run.name}")
    return title, "\n".join(lines)


def notify(urls: tuple[str, ...], title: str, text: str) -> None:
    """Send a message to all addresses; what cannot be sent is told in one warning."""
    try:
        import apprise
    except ImportError:
        _warn(
            "Notifications need a package that is not installed. Install it with: "
            "pip install 'nborch[notify]'"
        )
        return
    sender = apprise.Apprise()
    for url in urls:
        filled, missing = _filled(url)
        if missing:
            _warn(f"A notification address needs the variable {missing!r}. Set it.")
        elif not sender.add(filled):
            # NB. It may hold a password.
            service = url.partition(":")[0]
            _warn(f"apprise knows no notification address such as this of {service!r}.")
    if len(sender) and not sender.notify(body=text, title=title):
        _warn(f"The notification {title!r} could not be sent everywhere.")


class Notifying(Status):
    """Passes on to a status what a worker does, and tells of it those who asked.

    Parameters
    ----------
    status
        Gets all that it is told.
    """

    def __init__(self, home: Home, status: Status) -> None:
        super().__init__()
        self._home = home
        self._status = status
        # Those of the project in which the worker was started.
        self._settings = load_settings().notify
        self._messages: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def began(self, claim: ClaimedRun) -> None:
        """Pass it on."""
        self._status.began(claim)

    def ended(self, claim: ClaimedRun, record: RunRecord, fate: str) -> None:
        """Pass it on, and send a message if one is asked for."""
        self._status.ended(claim, record, fate)
        kinds = {record.state.type.value.lower(), record.state.name.lower()}
        if fate == "over" and self._settings.urls and kinds & set(self._settings.on):
            with suppress(NborchError):
                told = message_of(self._home, record, claim.deployment.full_name)
                self._messages.put(told)
                self._wake()

    def line(self, text: str) -> None:
        """Pass it on."""
        self._status.line(text)

    def trouble(self, text: str) -> None:
        """Pass it on."""
        self._status.trouble(text)

    def _wake(self) -> None:
        """Have the messages sent, by a thread that ends when there are none left."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._send, name="nborch-notify", daemon=False
            )
            self._thread.start()

    def _send(self) -> None:
        while True:
            try:
                title, text = self._messages.get(timeout=0.5)
            except queue.Empty:
                return
            notify(self._settings.urls, title, text)


def _ending(record: RunRecord) -> str:
    name = record.state.name
    return {"TimedOut": "took too long"}.get(name, f"has {name.lower()}")


def _failed_within(home: Home, record: RunRecord) -> RunRecord | None:
    """Return the run within a run that failed first."""
    failed = [
        each
        for each in home.store.within(record.run.id)
        if each.run.kind is RunKind.TASK and each.state.type in UNHAPPY
    ]
    return min(failed, key=lambda each: each.ended or each.run.created, default=None)


def _filled(url: str) -> tuple[str, str | None]:
    """Return an address with its variables, and the first that is not set."""
    missing = [n for n in _FROM_ENVIRONMENT.findall(url) if n not in os.environ]
    if missing:
        return url, missing[0]
    return _FROM_ENVIRONMENT.sub(lambda found: os.environ[found[1]], url), None


def _warn(text: str) -> None:
    with suppress(NborchWarning):
        warnings.warn(text, NborchWarning, stacklevel=2)
