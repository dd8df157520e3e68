"""Tracebacks: an error in a user's code is shown much as plain Python shows it."""

import asyncio
import subprocess
import sys

import pytest

from nborch import flow, task

PROGRAM = """
import asyncio
from nborch import flow, task

{inner}
{a}def bad(n):
    raise ValueError("no")

{outer}
{a}def around():
    return {awaits}bad{call}

{main}
"""
#: At most so many lines more than plain Python shows.
MORE = 4


def shown(tmp_path, **parts):
    """Return the lines that a program ends with."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(**parts))
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=False
    )
    lines = done.stderr.splitlines()
    return lines[lines.index("Traceback (most recent call last):") :]


@pytest.mark.parametrize(
    ("inner", "outer", "call"),
    [
        ("@task", "", "(1)"),
        ("@task", "@flow", "(1)"),
        ("@task(retries=1)", "@flow(retries=1)", "(1)"),
        ("@task(timeout_seconds=60)", "@flow(timeout_seconds=60)", "(1)"),
        ("@task(log_prints=True)", "@flow(log_prints=True)", "(1)"),
        ("@task(persist_result=True)", "@flow", "(1)"),
        ("@flow", "@flow", "(1)"),
        ("@flow(validate_parameters=False)", "", "(1)"),
        ("@task", "@task", "(1)"),
        ("@task", "", ".submit(1).result()"),
        ("@task", "@flow", ".submit(1).result()"),
        ("@task", "@flow", ".map([1]).result()"),
        ("@task", "", ".map([1])[0].result()"),
        ("@task", "", "(1, return_state=True).result()"),
        ("@task(isolate=True)", "", "(1)"),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.usefixtures("home")
def test_an_error_costs_a_few_lines(tmp_path, monkeypatch, kind, inner, outer, call):  # noqa: PLR0913, PLR0917  # a table
    """An error takes at most four lines more than without us, and ends in its line."""
    monkeypatch.setenv("NBORCH_LOG_LEVEL", "CRITICAL")
    is_async = kind == "async"
    awaits = is_async and ".submit" not in call and ".map" not in call
    if awaits and "return_state" in call:
        pytest.skip("A state is awaited before it is asked.")
    parts = {"a": "async " if is_async else ""}
    parts["main"] = "asyncio.run(around())" if is_async else "around()"
    plain = shown(
        tmp_path,
        inner="",
        outer="",
        call="(1)",
        awaits="await " if is_async else "",
        **parts,
    )

    ours = shown(
        tmp_path,
        inner=inner,
        outer=outer,
        call=call,
        awaits="await " if awaits else "",
        **parts,
    )

    assert len(ours) <= len(plain) + MORE, "\n".join(ours)
    assert ours[-3:] == plain[-3:]
    assert "in bad" in ours[-3]


def lines_of(error):
    lines = 0
    traceback = error.__traceback__
    while traceback is not None:
        lines += 1
        traceback = traceback.tb_next
    return lines


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("ask", ["future", "state", "by turns", "awaited"])
def test_an_error_does_not_grow_each_time_it_is_raised(ask):
    """However often a result is asked for, its error has the same traceback."""

    @task
    def bad():
        raise ValueError("no")

    future = bad.submit()
    future.wait()

    async def wait_for_it():
        return await future

    asks = {
        "future": [future.result],
        "state": [future.state.result],
        "by turns": [future.result, future.state.result],
        "awaited": [lambda: asyncio.run(wait_for_it())],
    }[ask]

    counts = []
    for _ in range(3):
        for each in asks:
            with pytest.raises(ValueError, match="no") as caught:
                each()
            counts.append(lines_of(caught.value))

    assert len(set(counts)) == 1 or ask == "awaited"
    assert max(counts) < 16


@pytest.mark.usefixtures("home")
def test_the_cause_of_an_error_is_shown():
    """Cause and context of a user's error are those that it has without us."""

    @task
    def bad():
        try:
            raise KeyError("first")  # noqa: TRY301  # it is the cause
        except KeyError as error:
            raise ValueError("second") from error

    @flow
    def f():
        bad()

    with pytest.raises(ValueError, match="second") as caught:
        f()

    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__cause__.__context__ is None
