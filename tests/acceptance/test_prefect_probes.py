"""A Prefect program does the same under nborch, or the manual says what and why.

Each row of ``prefect_answers.txt`` is what Prefect answers to a probe; each was
reproduced with Prefect itself by the same probe, see ``probes.py``.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _probes():
    """Load the module beside this file, as Prefect's Python does."""
    path = Path(__file__).with_name("probes.py")
    spec = importlib.util.spec_from_file_location("probes", path)
    module = importlib.util.module_from_spec(spec)
    # NB. Annotations and pickles of what it defines look it up by name.
    sys.modules["probes"] = module
    spec.loader.exec_module(module)
    return module


probes = _probes()
PREFECT = probes.answers()

#: Rows that nborch answers in its own way: the answer, and why.
DIFFERENT = {
    "flow_returns_one_future_result": (
        "Completed()",
        "a state's text says the state; `.result()` has the value",
    ),
    "upstream_failed_direct_call": (
        "UpstreamTaskError",
        "a call that cannot run must not look as if it had returned None",
    ),
    "submit_outside_flow": ("2", "it needs no flow"),
    "cache_closure_difference_same_source": (
        "((1, 2), 2)",
        "what a function closes over is part of its code",
    ),
    "cache_helper_change_detected": (
        "[1, 2]",
        "the functions that a task calls are part of its code",
    ),
    "cache_dict_order": ("2", "code can see in which order a dict's items stand"),
    "cache_nonstring_dict_keys": ("2", "1 and '1' are different keys"),
    "cache_tuple_vs_list": ("2", "`(1, 2)` and `[1, 2]` are different values"),
    "cache_nested_task_twice_in_parent": (
        "1",
        "a result can be reused as soon as it is there",
    ),
    "cache_returns_same_object": (
        "(False, False)",
        "changing a hit must not change the next one",
    ),
    "methods_interleaved_instances": (
        "(2, 11)",
        "a bound method belongs to its own instance",
    ),
    "generator_return_value_from_task_call": (
        "'int'",
        "a generator that a task returns arrives with its items",
    ),
    "task_timeout_error_type": (
        "['RunTimedOut', 'TimeoutError']",
        "flows and tasks share one class, which is a `TimeoutError` as well",
    ),
    "submitted_sync_timeout_interrupts_sleep": (
        "('FAILED/TimedOut', True)",
        "who waits is told when the time is over, not when the sleep is",
    ),
    "reserved_args": (
        (
            """("ReservedArgumentError: Task 'f': 'return_state' is a reserved argument name """
            """and cannot be used. Rename the parame", "ReservedArgumentError: Flow 'f': """
            """'return_state' is a reserved argument name and cannot be used. """
            """Rename the parame")"""
        ),
        "the message names the task or flow, and says what to do",
    ),
    "retry_delay_invalid": (
        (
            """("InvalidDeclaration: Task 'f': retry_delay_seconds must be a number of """
            """seconds, a list of them or a callable th", "InvalidDeclaration: Task 'f': """
            """retry_delay_seconds has 51 delays, at most 50 are allowed. """
            """Give a callable or fe")"""
        ),
        "one class for wrong declarations, which is a `TypeError`",
    ),
    "decorator_forms": (
        """(1, 2, 3, "InvalidDeclaration: 'fn' must be callable")""",
        "one class for wrong declarations, which is a `TypeError`",
    ),
    "missing_argument": (
        (
            "ParameterBindError: Flow 'f' cannot be called like this: missing a required "
            "argument: 'x'. Its signature is (x"
        ),
        "the message names the flow and its signature",
    ),
}


#: Longer answers are cut in the manual: they are messages.
WIDTH = 70


def listed(row):
    """Return the line of the manual about a row in which nborch differs."""
    answer, why = DIFFERENT[row]
    answers = (
        text.replace("`", "'") for text in (row, probes.scrubbed(PREFECT[row]), answer)
    )
    cut = (text if len(text) <= WIDTH else f"{text[:WIDTH]}…" for text in answers)
    return f"| {' | '.join(f'`{text}`' for text in cut)} | {why} |"


@pytest.mark.parametrize("row", PREFECT)
def test_answer(row, home):
    """A program with Prefect's names behaves as there, but for what the manual lists."""
    expected = DIFFERENT[row][0] if row in DIFFERENT else probes.scrubbed(PREFECT[row])

    with warnings.catch_warnings():
        # Some programs do what one is warned of, such as leaving failures unseen.
        warnings.simplefilter("ignore")
        answer = probes.ask("nborch", row)

    assert answer == expected


def test_every_row_is_asked():
    """No answer of Prefect's stands without its probe, and no probe without it."""
    assert sorted(PREFECT) == sorted(probes.PROBES)


def test_every_difference_stands_in_the_manual():
    """What nborch does differently is listed with both answers and the reason."""
    manual = (ROOT / "docs" / "differences.md").read_text("utf-8").splitlines()

    missing = [line for row in DIFFERENT if (line := listed(row)) not in manual]

    assert not missing, "Add to docs/differences.md:\n" + "\n".join(missing)


def test_every_difference_is_one():
    """No difference is listed that there is not."""
    same = [
        row
        for row, (answer, _) in DIFFERENT.items()
        if answer == probes.scrubbed(PREFECT[row])
    ]

    assert not same
