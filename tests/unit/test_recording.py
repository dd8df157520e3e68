"""What a cell shows, recorded and shown again, in a shell without a kernel."""

import sys
import threading

import pytest

from nborch.notebook.displays.recording import (
    MOST_DISPLAYS,
    MOST_TEXT,
    Recording,
    record,
)
from nborch.notebook.displays.replaying import replay


class Publisher:
    """Takes displays, as IPython's publisher does."""

    def __init__(self):
        self.shown = []

    def publish(self, data, metadata=None, **how):
        self.shown.append((data, metadata, how))

    def clear_output(self, wait=False):  # noqa: FBT002  # IPython's signature
        self.shown.append(("clear", wait))


class Hook:
    """Formats and writes the value of an expression, as IPython's display hook does."""

    def __init__(self):
        self.written = []
        self.values = []

    def compute_format_data(self, value):
        return {"text/plain": repr(value)}, {}

    def write_output_prompt(self):
        sys.stdout.write("Out: ")

    def write_format_data(self, data, metadata=None):
        self.written.append((data, metadata))
        sys.stdout.write(data["text/plain"])

    def __call__(self, value):
        self.values.append(value)
        self.write_output_prompt()
        self.write_format_data(*self.compute_format_data(value))


class Shell:
    def __init__(self):
        self.user_ns = {}
        self.display_pub = Publisher()
        self.displayhook = Hook()

    def _showtraceback(self, *_error):
        pass


@pytest.fixture
def shell():
    return Shell()


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def display(text, **more):
    data = {"text/plain": text}
    return {"output_type": "display_data", "data": data, "metadata": {}, **more}


def test_text_is_joined():
    """Pieces of text on one stream are one output until something else is shown."""
    recording = Recording()

    recording.add_text("stdout", "a")
    recording.add_text("stdout", "")
    recording.add_text("stdout", "b\n")
    recording.add_text("stderr", "c")
    recording.add_text("stdout", "d")
    recording.add_display({"text/plain": "e"}, None, None, update=False)
    recording.add_text("stdout", "f")

    assert recording.outputs == [
        *[stream("ab\n"), stream("c", "stderr"), stream("d"), display("e")],
        stream("f"),
    ]


def test_outputs_can_be_asked_for_meanwhile():
    """Asking for the outputs does not end them."""
    recording = Recording()
    recording.add_text("stdout", "a")

    first = [dict(output) for output in recording.outputs]
    recording.add_text("stdout", "b")

    assert first == [stream("a")]
    assert "".join(output["text"] for output in recording.outputs) == "ab"


def test_clear():
    """Clearing forgets what came before, at once or with the next output."""
    recording = Recording()
    recording.add_text("stdout", "a")
    recording.clear(wait=False)
    at_once = list(recording.outputs)
    recording.add_text("stdout", "b")

    recording.clear(wait=True)
    before = [dict(output) for output in recording.outputs]
    recording.add_text("stdout", "c")

    assert at_once == []
    assert before == [stream("b")]
    assert recording.outputs == [stream("c")]


def test_update():
    """An update replaces what its display shows, where it shows it."""
    recording = Recording()
    recording.add_display({"text/plain": "0 %"}, None, "bar", update=False)
    recording.add_text("stdout", "between")

    recording.add_display({"text/plain": "100 %"}, {}, "bar", update=True)

    assert recording.outputs == [
        display("100 %", display_id="bar"),
        stream("between"),
    ]


def test_update_of_another_cells_display():
    """An update of a display that is not the cell's is an output of its own kind."""
    recording = Recording()

    recording.add_display({"text/plain": "new"}, {}, "theirs", update=True)
    recording.clear(wait=False)

    assert recording.outputs == [
        display("new", display_id="theirs") | {"output_type": "update_display_data"}
    ]


def test_huge_text():
    """Of very much text the beginning is kept, and that some is missing is said."""
    recording = Recording()

    recording.add_text("stdout", "x" * (MOST_TEXT - 1))
    recording.add_text("stdout", "yz")
    recording.add_text("stdout", "more")

    text = recording.outputs[0]["text"]
    assert text[MOST_TEXT - 1 :] == "y\n[nborch: further text was not kept]\n"


def test_widgets_cannot_be_shown_again():
    """A display that needs an object of this kernel is noticed."""
    recording = Recording()
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}

    before = recording.obstacle
    recording.add_display(widget, None, None, update=False)

    assert before is None
    assert recording.obstacle == "shows a widget, which lives in the kernel"


def test_threads():
    """Text of several threads is kept whole, whatever else is shown meanwhile."""
    recording = Recording()

    def write(name):
        for _ in range(500):
            recording.add_text(name, "x")
            recording.add_display({"text/plain": "d"}, None, None, update=False)

    threads = [threading.Thread(target=write, args=(n,)) for n in ("stdout", "stderr")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    text = "".join(output.get("text", "") for output in recording.outputs)
    shown = sum(output["output_type"] == "display_data" for output in recording.outputs)
    assert (len(text), shown) == (1000, 1000)


def test_recording_is_unseen(shell, capsys):
    """What is recorded is shown as usual, and afterwards nothing is recorded."""
    with record(shell) as recording:
        sys.stdout.write("printed\n")
        shell.display_pub.publish({"text/plain": "shown"}, {}, transient={})
        shell.displayhook(42)
    sys.stdout.write("later\n")
    shell.display_pub.publish({"text/plain": "later"})

    assert capsys.readouterr().out == "printed\nOut: 42later\n"
    assert len(shell.display_pub.shown) == 2
    assert [output["output_type"] for output in recording.outputs] == [
        *["stream", "display_data", "execute_result"]
    ]
    assert vars(shell.display_pub).keys() == {"shown"}
    assert "write" not in vars(sys.stdout)


def test_cells_at_the_same_time(shell, capsys):
    """Each of two cells that run at once records its own, whichever ends first."""
    both_run, first_is_over = threading.Barrier(2), threading.Event()
    recorded = {}

    def cell(name, is_first):
        with record(shell) as recording:
            both_run.wait(5)
            sys.stdout.write(f"{name}\n")
            shell.display_pub.publish({"text/plain": name})
            if not is_first:
                first_is_over.wait(5)
                sys.stdout.write(f"{name}\n")
        recorded[name] = recording.outputs
        first_is_over.set()

    for _ in range(3):
        threads = [
            threading.Thread(target=cell, args=("first", True)),
            threading.Thread(target=cell, args=("second", False)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        first_is_over.clear()

    assert recorded["first"] == [stream("first\n"), display("first")]
    assert recorded["second"] == [
        *[stream("second\n"), display("second"), stream("second\n")]
    ]
    assert vars(shell.display_pub).keys() == {"shown"}
    assert "write" not in vars(sys.stdout)


def test_a_cell_within_a_cell(shell, capsys):
    """What a cell shows is the outer cell's as well."""
    with record(shell) as outer:
        sys.stdout.write("before\n")
        with record(shell) as inner:
            sys.stdout.write("within\n")
        sys.stdout.write("after\n")

    assert inner.outputs == [stream("within\n")]
    assert outer.outputs == [stream("before\nwithin\nafter\n")]


def test_too_much_to_show():
    """A cell with too many displays is not kept; what was recorded is let go."""
    recording = Recording()

    for _ in range(MOST_DISPLAYS + 2):
        recording.add_display({"text/plain": "x"}, None, None, update=False)

    assert recording.obstacle == "shows more than can be kept"
    assert len(recording.outputs) < 10


def test_result_in_a_terminal_is_no_print(shell, capsys):
    """What a terminal writes for a result is recorded once, as the result."""
    with record(shell) as recording:
        shell.displayhook(42)

    (output,) = recording.outputs
    assert output["data"] == {"text/plain": "42"}


def test_error_ends_the_recording(shell, capsys):
    """After an error nothing is recorded any more."""
    recordings = []

    def fail():
        with record(shell) as recording:
            recordings.append(recording)
            sys.stdout.write("before\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    sys.stdout.write("after\n")

    (recording,) = recordings
    assert recording.outputs == [stream("before\n")]


def test_replay(shell, capsys):
    """Replaying shows the same in the same order, and a recording of it is equal."""
    outputs = [
        stream("a\n"),
        stream("b\n", "stderr"),
        display("c", display_id="bar"),
        {"output_type": "execute_result", "data": {"text/plain": "d"}, "metadata": {}},
    ]

    with record(shell) as recording:
        replay(shell, outputs, "the value")

    assert recording.outputs == outputs
    assert shell.displayhook.values == ["the value"]
    assert shell.display_pub.shown == [
        ({"text/plain": "c"}, {}, {"transient": {"display_id": "bar"}, "update": False})
    ]


def test_replay_leaves_the_kept_outputs(shell, capsys):
    """Who changes what is shown again does not change what is kept."""
    outputs = [display("kept")]
    shell.display_pub.publish = lambda data, *_args, **_how: data.update(changed=True)

    replay(shell, outputs)

    assert outputs == [display("kept")]


def test_value_that_is_not_at_hand(shell, capsys):
    """Where the value itself is missing, what stands for it looks the same."""
    looks = {"text/plain": "<Table>", "text/html": "<table>"}
    output = {"output_type": "execute_result", "data": looks, "metadata": {}}

    replay(shell, [output])

    (value,) = shell.displayhook.values
    assert repr(value) == "<Table>"
    assert value._repr_mimebundle_() == (looks, {})
