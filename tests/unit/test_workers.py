"""Workers: what travels between processes arrives as it was."""

import threading
import traceback
import warnings
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.exceptions import FailedRun
from nborch.task_runners.messages import LARGE, dumps, dumps_error, loads
from nborch.task_runners.surroundings import Surroundings
from nborch.task_runners.tracebacks import summary


class TwoArguments(Exception):
    def __init__(self, path, line):
        super().__init__(f"{path}:{line}")
        self.path = path


class TextOfArgument(Exception):
    def __init__(self, path):
        super().__init__(f"nothing at {path}")


class NoText(Exception):
    def __str__(self):
        raise RuntimeError


def caught(function):
    """Return what the function raises, after its journey."""
    try:
        function()
    except BaseException as error:  # noqa: BLE001
        return loads(dumps_error(error))
    raise AssertionError


def shown(error):
    return "".join(traceback.format_exception(error))


def test_a_traceback_is_the_same_after_the_journey():
    """An exception shows the same lines, underlined in the same places."""

    def fail():
        try:
            {"a": 1}["b"] + 1
        except KeyError as error:
            raise ValueError("no rows") from error

    try:
        fail()
    except ValueError as error:
        before = error

    after = loads(dumps_error(before))

    assert shown(after) == shown(before)
    assert type(after.__cause__) is KeyError


def test_what_was_being_handled_travels_too():
    """An exception's context arrives, and stays hidden if it was hidden."""

    def fail(hide):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            if hide:
                raise ValueError from None
            raise ValueError  # noqa: B904

    for hide in (False, True):
        error = caught(lambda hide=hide: fail(hide))

        assert type(error.__context__) is ZeroDivisionError
        assert error.__suppress_context__ is hide


def test_exceptions_that_refer_to_each_other_travel():
    """A circle of contexts is no endless journey."""

    def fail():
        first, second = ValueError(1), ValueError(2)
        first.__context__, second.__context__ = second, first
        raise first

    error = caught(fail)

    assert error.__context__.__context__ is error


def test_each_exception_of_a_group_keeps_its_traceback():
    """The members of a group show their own lines."""

    def fail():
        errors = []
        for text in ("a", "b"):
            try:
                int(text)
            except ValueError as error:
                errors.append(error)
        raise ExceptionGroup("both", errors)

    error = caught(fail)

    assert [str(member)[-2] for member in error.exceptions] == ["a", "b"]
    assert all("    int(text)" in shown(e) for e in error.exceptions)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: TwoArguments("a.csv", 3), "a.csv:3"),
        (lambda: TextOfArgument("a.csv"), "nothing at a.csv"),
        (lambda: KeyError("k"), "'k'"),
        (lambda: OSError(2, "gone", "a.csv"), "[Errno 2] gone: 'a.csv'"),
        (lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "bad"),
        (lambda: SystemExit(3), "3"),
    ],
)
def test_an_exception_says_the_same_after_the_journey(make, text):
    """Type, text and attributes arrive, whatever its constructor wants."""

    def fail():
        raise make()

    error = caught(fail)

    assert type(error) is type(make())
    assert str(error) == str(make())
    assert text in str(error)
    assert vars(error) == vars(make())


def test_a_note_travels():
    """A note on an exception is there after the journey."""

    def fail():
        error = ValueError("x")
        error.add_note("row 3")
        raise error

    assert caught(fail).__notes__ == ["row 3"]


def test_what_cannot_travel_is_left_out():
    """An exception that holds a lock arrives without it."""

    def fail():
        error = ValueError("text", threading.Lock())
        error.lock, error.row = threading.Lock(), 3
        raise error

    error = caught(fail)

    assert type(error) is ValueError
    assert error.args[0] == "text"
    assert "lock" in error.args[1]
    assert vars(error) == {"row": 3}


def test_an_exception_whose_class_cannot_travel_is_told():
    """Of a class that holds a lock, the name, the text and the lines arrive."""

    class Held(Exception):
        lock = threading.Lock()

    def fail():
        raise Held("no rows")

    error = caught(fail)

    assert type(error) is FailedRun
    assert "Held: no rows" in str(error)
    assert 'raise Held("no rows")' in shown(error)


def test_a_deep_recursion_is_shown_as_python_shows_it():
    """A thousand equal lines of a traceback are told in one."""

    def fail():
        fail()

    error = caught(fail)

    assert "[Previous line repeated" in shown(error)


def test_a_text_that_raises_is_survived():
    """An exception whose text raises has a summary all the same."""
    assert summary(NoText()) == "NoText: <its text raises RuntimeError>"
    assert summary(ValueError()) == "ValueError"
    assert len(summary(ValueError("x" * 100_000))) < 3000


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_value_arrives_as_it_was(value):
    """What is sent is what arrives."""
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("count", [1, 3, 1500])
def test_large_memory_goes_beside_the_pickle(count):
    """Arrays are sent as they lie in memory, many of them too."""
    np = pytest.importorskip("numpy")
    arrays = [np.full(LARGE // 8, i) for i in range(count)]

    pieces = dumps(arrays)

    assert len(pieces) == min(count, 997) + 1
    assert all((a == b).all() for a, b in zip(loads(pieces), arrays, strict=True))


def test_a_warning_is_filtered_by_name_until_its_module_is_loaded():
    """A filter for a library's warning works without loading the library first."""
    packed = Surroundings.current().pack()
    try:
        late = ("error", None, type("Late", (Warning,), {"__module__": "lib"}), None, 0)
        Surroundings.adopt(replace(Surroundings.current(), filters=[late]).pack())

        kind = type("Late", (Warning,), {"__module__": "lib"})
        other = type("Late", (Warning,), {"__module__": "elsewhere"})
        for each in (kind, type("Special", (kind,), {})):
            with pytest.raises(each):
                warnings.warn("late", each, stacklevel=1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.warn("late", other, stacklevel=1)
        assert len(caught) == 1
        assert Surroundings.current().pack() == Surroundings.current().pack()
    finally:
        Surroundings.adopt(packed)
