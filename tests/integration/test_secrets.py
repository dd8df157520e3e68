"""Secrets in what is recorded and kept: the store of runs, results, other processes."""

import pytest

from nborch import secrets
from nborch.secrets import MASK, hidden, hide
from nborch.task_runners.surroundings import Surroundings


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch):
    """Hide nothing that another test has hidden."""
    monkeypatch.setattr(secrets, "_hidden", secrets._Hidden())


def test_events_are_masked(home):
    """What is recorded of runs does not hold the text of a secret."""
    from nborch import flow, task

    @task
    def fetch(token):
        raise ValueError(f"bad token {token}")

    @flow
    def sync(token):
        fetch(token)

    hide("hush-hush")

    with pytest.raises(ValueError, match="hush-hush"):
        sync("hush-hush")
    home.recorder.flush()

    recorded = [event.to_json() for event in home.store.events()]
    assert MASK in str(recorded)
    assert "hush-hush" not in str(recorded)


def test_results_are_not_kept(home, recwarn):
    """A result that holds the text of a secret is not kept."""
    hide("hush-hush")

    assert home.cache.keep("key", {"result": "a hush-hush b"}) is None
    assert home.cache.keep("key", {"result": "a b"}) is not None
    assert "holds the text of a secret" in str(recwarn.pop().message)


def test_workers_mask_the_same(monkeypatch):
    """A worker process masks what the process does that it works for."""
    hide("hush-hush")
    packed = Surroundings.current().pack()
    monkeypatch.setattr(secrets, "_hidden", secrets._Hidden())

    Surroundings.adopt(packed)

    assert hidden() == {"hush-hush"}
