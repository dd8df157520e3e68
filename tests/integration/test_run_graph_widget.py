"""The run graph in real kernels: what a front end is told of a run, and may ask for."""

import json
import os
import textwrap
import time
from dataclasses import dataclass, field

import ipykernel
import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
    # jupyter_client's sockets and event loops, papermill's progress: not ours to fix.
    pytest.mark.filterwarnings("ignore"),
]

VIEW = "application/vnd.jupyter.widget-view+json"

BEGINNING = """
    import os, time, threading
    from pathlib import Path
    from nborch import flow, task

    @task
    def pause(seconds=0.0, n=0):
        time.sleep(seconds)
        return n
"""


def is_live(data):
    """Tell whether an output is more than a picture: a view, or where a graph stands."""
    return VIEW in data or "data-nborch=" in data["text/html"]


@dataclass
class Graph:
    """A graph as a browser has it: the first snapshot, and what came after it."""

    run: dict
    nodes: dict
    seq: int
    #: What came, in order: its type.
    came: list = field(default_factory=list)
    #: Deltas that came before those with lower numbers.
    early: dict = field(default_factory=dict)
    notices: list = field(default_factory=list)
    answers: list = field(default_factory=list)

    @classmethod
    def of(cls, snapshot):
        graph = cls({}, {}, 0)
        graph.take(snapshot)
        return graph

    def take(self, message):
        self.came.append(message["type"])
        if message["type"] == "snapshot":
            self.run, self.seq = message["run"], message["seq"]
            self.nodes = {node["id"]: node for node in message["nodes"]}
        elif message["type"] == "delta":
            # What came for the cell is noted after what came meanwhile.
            self.early[message["seq"]] = message
            while self.seq + 1 in self.early:
                self._apply(self.early.pop(self.seq + 1))
        elif message["type"] == "notice":
            self.notices.append(message["text"])
        else:
            self.answers.append(message)

    def _apply(self, delta):
        self.seq += 1
        self.run = delta.get("run") or self.run
        self.nodes |= {node["id"]: node for node in delta["nodes"]}
        for gone in delta.get("gone", ()):
            del self.nodes[gone]

    @property
    def states(self):
        """The names of the states by those of the tasks."""
        return {node["of"]: node["state"]["name"] for node in self.nodes.values()}


class FrontEnd:
    """What a front end knows of widgets, for one kernel."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.graphs = {}
        #: The state of each, as a program that runs notebooks saves it.
        self.saved = {}
        #: Outputs that were shown, and are there by an id of their own.
        self.displays = {}
        self.texts = []
        # What was said before is of other tests.
        self._seen = len(kernel.others)

    def run(self, code, timeout=90):
        """Run a cell; return what it showed."""
        return self.wait(self.send(code), timeout)

    def send(self, code, **metadata):
        client, code = self.kernel.client, textwrap.dedent(code).strip()
        content = {"code": code, "silent": False, "store_history": True}
        # A program that runs notebooks answers no questions.
        content |= {"user_expressions": {}, "allow_stdin": True, "stop_on_error": True}
        message = client.session.msg("execute_request", content, metadata=metadata)
        client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def wait(self, sent, timeout=90):
        ran = self.kernel.wait(sent, timeout)
        self._note_others()
        for kind, content in ran.messages:
            self._note(kind, content)
        # None was lost.
        assert not any(graph.early for graph in self.graphs.values())
        return ran

    def until(self, condition, timeout=60.0):
        """Take messages until a condition holds, whatever cell they are of."""
        self._note_others()
        end = time.monotonic() + timeout
        while not (told := condition()):
            assert time.monotonic() < end, self.kernel.others[-5:]
            self._take_one()
        return told

    def _take_one(self):
        loop, client = self.kernel.loop, self.kernel.client
        try:
            message = loop.run_until_complete(client.get_iopub_msg(timeout=0.2))
        except Exception:  # noqa: BLE001  # nothing came
            return
        self._note(message["msg_type"], message["content"])

    def _note_others(self):
        others = self.kernel.others
        for kind, content in others[self._seen :]:
            self._note(kind, content)
        self._seen = len(others)

    def _note(self, kind, content):
        if kind == "comm_open" and "snapshot" in content["data"]["state"]:
            state = content["data"]["state"]
            self.graphs[content["comm_id"]] = Graph.of(state["snapshot"])
            self.saved[content["comm_id"]] = state
        elif kind == "comm_msg" and content["comm_id"] in self.graphs:
            data, comm = content["data"], content["comm_id"]
            if data["method"] == "custom":
                self.graphs[comm].take(data["content"])
            elif data["method"] == "update":
                self.saved[comm] |= data["state"]
        elif kind in {"display_data", "update_display_data"}:
            shown = content.get("transient", {}).get("display_id")
            if shown:
                self.displays.setdefault(shown, []).append(content["data"])
        elif kind == "stream":
            self.texts.append(content["text"])

    @property
    def graph(self):
        """The graph that appeared last."""
        return list(self.graphs.values())[-1]

    def ask(self, *, beside=False, **message):
        """Ask the graph that appeared last.

        Parameters
        ----------
        beside
            In a thread of the kernel's beside the one that runs cells, as JupyterLab
            does.
        """
        client, session = self.kernel.client, self.kernel.client.session
        content = {"comm_id": list(self.graphs)[-1]}
        content["data"] = {"method": "custom", "content": message}
        asked = session.msg("comm_msg", content)
        if beside:
            asked["header"]["subshell_id"] = self._subshell()
        client.shell_channel.send(asked)

    def _subshell(self):
        client, loop = self.kernel.client, self.kernel.loop
        request = client.session.msg("create_subshell_request")
        client.control_channel.send(request)
        while True:
            reply = loop.run_until_complete(client.get_control_msg(timeout=10))
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return reply["content"]["subshell_id"]


@pytest.fixture
def front_end(kernel):
    """A front end that knows widgets, with some tasks at hand."""
    opened = FrontEnd(kernel)
    assert opened.run(BEGINNING).ok
    yield opened
    opened.run("os.environ.pop('NBORCH_GRAPH', None)")


def only(displays):
    """Return all that was shown in the one output that is brought up to date."""
    [shown] = displays.values()
    return shown


class TestAFlowInACell:
    def test_its_graph_is_live(self, front_end):
        """A flow that is called in a cell shows its task runs while they happen."""
        front_end.run("""
            @flow
            def wide(n):
                for i in range(n):
                    pause(0.02, i)
        """)

        ran = front_end.run("wide(30)")

        graph, shown = front_end.graph, only(front_end.displays)
        assert ran.ok
        assert graph.run["of"] == "wide"
        assert graph.run["state"]["name"] == "Completed"
        assert len(graph.nodes) == 30
        assert {node["state"]["name"] for node in graph.nodes.values()} == {"Completed"}
        # It lasts for 0.6 s or more, 0.4 s of it in the widget.
        assert graph.came.count("delta") >= 2
        assert is_live(shown[-1])
        assert "30 completed" in shown[-1]["text/plain"]
        assert shown[-1]["text/html"].count("<img") == 1

    @pytest.mark.parametrize(
        ("cell", "has_view"),
        [("0a1b2c3d", False), ("vscode-notebook-cell:/n.ipynb#W0sZmlsZQ", True)],
    )
    def test_what_is_shown_where(self, front_end, cell, has_view):
        """A view of the widget is shown only while it lasts, and only where it must be."""
        front_end.run("flow(name='f')(lambda: [pause(0.3) for _ in range(3)])()")
        code = "flow(name='g')(lambda: [pause(0.3) for _ in range(3)])()"

        front_end.displays.clear()
        front_end.wait(front_end.send(code, cellId=cell))

        shown = only(front_end.displays)
        assert [VIEW in data for data in shown] == [False, has_view, False]
        assert [is_live(data) for data in shown] == [False, True, True]

    def test_what_is_saved_is_how_it_ended(self, front_end):
        """The state that is saved with the notebook is the whole graph at its end."""
        front_end.run("""
            @flow
            def two():
                pause(0.3)
                return pause(0, 1)
            two()
        """)

        [saved] = front_end.saved.values()
        kept = saved["snapshot"]
        assert kept["run"]["state"]["name"] == "Completed"
        assert [node["state"]["name"] for node in kept["nodes"]] == ["Completed"] * 2
        # Nobody may be there to do it.
        assert kept["run"]["can"] == []
        assert len(json.dumps(saved)) < 200_000

    def test_a_short_run_of_one_task_is_a_picture(self, front_end):
        """A flow that is over at once and has one task needs no widget."""
        front_end.run("flow(name='short')(lambda: pause())()")

        first, last = only(front_end.displays)
        assert front_end.graphs == {}
        assert "Running" in first["text/plain"]
        assert "Completed" in last["text/plain"]
        assert not is_live(last)

    def test_after_a_reload_it_is_shown_once(self, front_end):
        """Who loads the extension again still gets one graph of each run."""
        front_end.run("%reload_ext nborch")
        front_end.run(BEGINNING)
        front_end.displays.clear()

        ran = front_end.run("""
            from nborch import flow, task

            @flow
            def again():
                return pause(0.1)

            x = again()
        """)

        assert ran.ok, ran.error
        assert len(front_end.displays) == 1

    def test_a_flow_within_a_flow_is_a_node(self, front_end):
        """A subflow stands in the graph of the flow that calls it, with its tasks."""
        front_end.run("""
            inner = flow(name="inner")(lambda: pause(0.05))

            @flow
            def outer():
                pause(0.2)
                inner()

            outer()
        """)

        graph = front_end.graph
        kinds = {node["of"]: node["kind"] for node in graph.nodes.values()}
        [within] = [n for n in graph.nodes.values() if n.get("parent")]
        assert len(front_end.graphs) == len(front_end.displays) == 1
        assert kinds["inner"] == "flow"
        assert graph.nodes[within["parent"]]["of"] == "inner"

    def test_a_loop_of_flows_does_not_flood_the_cell(self, front_end):
        """Of many flow runs in one cell the first few are drawn, and it is said."""
        front_end.run("""
            short = flow(name="short")(lambda: pause())
            for _ in range(40):
                short()
        """)

        texts = [shown[-1]["text/plain"] for shown in front_end.displays.values()]
        assert len(texts) == 9
        assert texts[-1].startswith("further flow runs of this cell are not drawn")

    @pytest.mark.parametrize("wanted", ["off", "freeze"])
    def test_the_setting(self, front_end, wanted):
        """Graphs can be turned off, or become pictures when the run has ended."""
        front_end.run(f"os.environ['NBORCH_GRAPH'] = {wanted!r}")

        front_end.run("flow(name='asked')(lambda: [pause(0.3), pause()])()")

        if wanted == "off":
            assert front_end.displays == {}
            return
        shown = only(front_end.displays)
        assert is_live(shown[-2])
        assert not is_live(shown[-1])
        assert "Completed" in shown[-1]["text/plain"]

    @pytest.mark.parametrize("wanted", ["failures", "all"])
    def test_what_the_graph_tells_is_not_printed_below(self, front_end, wanted):
        """Below a graph stand what the user prints and logs, and what went wrong."""
        front_end.run(f"""
            from nborch import get_run_logger

            @task
            def fragile():
                get_run_logger().info("looking")
                print("mine")
                raise ValueError("no")

            @flow
            def told():
                pause()
                fragile(return_state=True)

            from nborch.home import current_home
            from dataclasses import replace
            home = current_home()
            home.settings = replace(home.settings, graph_lines={wanted!r})
        """)

        ran = front_end.wait(front_end.send("told(return_state=True)", cellId="0a1b"))
        plain = front_end.run("told(return_state=True)")

        lines = "".join(c["text"] for k, c in ran.messages if k == "stream")
        others = "".join(c["text"] for k, c in plain.messages if k == "stream")
        assert "looking" in lines
        assert "mine" in lines
        assert "Finished in state Failed" in lines
        assert ("Finished in state Completed" in lines) == (wanted == "all")
        assert ("Created flow run" in lines) == (wanted == "all")
        assert "Finished in state Completed" in others

    def test_without_the_packages_there_is_a_picture(self, front_end):
        """Where anywidget is missing the run is shown as a picture, and no error."""
        front_end.run("""
            import sys
            kept = {n: sys.modules.pop(n) for n in list(sys.modules)
                    if n.startswith("anywidget") or n == "nborch.view.widget"}
            sys.modules["anywidget"] = None
        """)

        ran = front_end.run("flow(name='plain')(lambda: [pause(0.3), pause()])()")
        front_end.run("del sys.modules['anywidget']; sys.modules |= kept")

        assert ran.ok
        assert front_end.graphs == {}
        assert "2 completed" in only(front_end.displays)[-1]["text/plain"]

    def test_a_captured_cell_keeps_its_picture(self, front_end):
        """`%%capture` gets the picture like any other output."""
        front_end.run("%%capture got\nflow(name='taken')(lambda: pause(0.3))()")

        ran = front_end.run("print(got.outputs[0].data['text/plain'])")

        assert front_end.displays == {}
        assert "Completed" in ran.stdout

    def test_a_cell_task_with_a_flow_is_restored(self, front_end):
        """A graph does not keep a cell task from being restored."""
        cell = "%%task report\nvalue = flow(name='f')(lambda: pause(0.3, 5))()"
        assert front_end.run("%load_ext nborch").ok
        first = front_end.run(cell)

        second = front_end.run(cell)

        assert len(front_end.graphs) == 1
        assert (first.outcome, second.outcome) == ("ran", "cached")

    def test_a_cell_flow_has_a_graph(self, front_end):
        """`%%flow` shows the runs of its cell."""
        front_end.run("%%flow nightly\npause(0.3)\npause(0)")

        assert front_end.graph.run["of"] == "nightly"
        assert len(front_end.graph.nodes) == 2

    def test_an_awaiting_flow(self, front_end):
        """A flow that is awaited in the cell is shown as others are."""
        front_end.run("""
            import asyncio

            @task
            async def doze(n):
                await asyncio.sleep(0.3)

            @flow
            async def awaiting():
                await asyncio.gather(*[doze(n) for n in range(3)])

            await awaiting()
        """)

        assert front_end.graph.run["state"]["name"] == "Completed"
        assert len(front_end.graph.nodes) == 3


class TestTraffic:
    @pytest.mark.slow
    def test_many_events_are_few_messages(self, front_end):
        """200,000 events: twenty messages a second, nothing lost, all prints there."""
        front_end.run("""
            from dataclasses import replace
            from nborch.context import current_run
            from nborch.events import run_created, state_entered
            from nborch.runs import Run, RunKind, new_id
            from nborch.states import Running, Retrying, Completed
            from datetime import UTC, datetime

            @flow
            def busy(events, runs=1000):
                context = current_run.get()
                record = context.home.recorder.record
                ids = [new_id(time.time() + n / 1e6) for n in range(runs)]
                for n, id in enumerate(ids):
                    record(run_created(replace(
                        context.run, id=id, kind=RunKind.TASK, of="t", name=f"t-{n}",
                        parent_id=context.run.id, details={},
                    )))
                print("made")
                stamp = datetime.now(UTC)
                states = [Running().stamped(stamp), Retrying().stamped(stamp)]
                for n in range(events - 2 * runs):
                    record(state_entered(ids[n % runs], states[n % 2], 1 + n // runs))
                    if n % 1000 == 0:
                        print("line", n)
                for id in ids:
                    record(state_entered(id, Completed().stamped(stamp), 1000))
        """)
        began = time.monotonic()

        ran = front_end.run("busy(200_000)", timeout=90)

        seconds = time.monotonic() - began
        graph = front_end.graph
        assert ran.ok, ran.error
        assert len(graph.nodes) == 1000
        assert {node["state"]["name"] for node in graph.nodes.values()} == {"Completed"}
        assert graph.came.count("delta") <= 20 * seconds + 2
        assert ran.stdout.count("line") == 198

    def test_background_prints_stay_in_their_cell(self, front_end):
        """What a task in a thread prints lands in the cell that has submitted it."""
        front_end.run("""
            @task
            def talk(n):
                time.sleep(0.2)
                print(f"from {n}")

            @flow
            def talking():
                return [talk.submit(n) for n in range(3)]
        """)

        ran = front_end.run("talking()")
        later = front_end.run("print('mine'); time.sleep(0.1)")

        assert all(ran.stdout.count(f"from {n}") == 1 for n in range(3))
        assert later.stdout == "mine\n"


class TestAsking:
    def test_a_browser_that_missed_something(self, front_end):
        """Who asks gets all there is, the details of a run, and its log."""
        front_end.run("""
            @task
            def load(path="a.csv"):
                from nborch import get_run_logger
                get_run_logger().info("3 rows")
                raise ValueError("no column 'x'")

            @flow
            def failing():
                pause(0.3)
                load()
        """)
        front_end.run("failing(return_state=True)")
        graph = front_end.graph
        [node] = [each for each in graph.nodes.values() if each["of"] == "load"]

        front_end.ask(op="sync")
        front_end.ask(op="detail", id=node["id"])
        front_end.ask(op="log", id=node["id"], after=0)
        front_end.until(lambda: len(graph.answers) == 2)

        told, log = graph.answers
        assert graph.came.count("snapshot") == 2
        assert told["detail"]["error"]["type"] == "ValueError"
        assert "no column" in told["detail"]["error"]["traceback"]
        assert "3 rows" in [line["message"] for line in log["lines"]]

    def test_what_a_task_returned_is_shown(self, front_end):
        """The drawer of a run whose result is kept shows a preview of it."""
        front_end.run("""
            @task(persist_result=True)
            def measured():
                time.sleep(0.3)
                return [1, 2, 3]

            @flow
            def measuring():
                measured()
                pause()
        """)
        front_end.run("measuring()")
        graph = front_end.graph
        [node] = [each for each in graph.nodes.values() if each["of"] == "measured"]

        front_end.ask(op="detail", id=node["id"])
        front_end.until(lambda: graph.answers)

        [output] = graph.answers[0]["detail"]["outputs"]
        assert output["preview"] == "[1, 2, 3]"

    @pytest.mark.skipif(
        ipykernel.version_info[0] < 7, reason="ipykernel 6 hears nothing while busy"
    )
    @pytest.mark.parametrize("how", ["sync", "submitted", "async", "other thread"])
    def test_cancel_while_the_cell_blocks(self, front_end, how):
        """The button ends the run as Cancelled, though its cell keeps the kernel busy."""
        front_end.run("""
            import asyncio, contextvars

            @flow
            def sync():
                pause(0.1)
                pause(60)

            @flow
            def submitted():
                return [pause.submit(60) for _ in range(3)]

            @flow(name="async")
            async def awaits():
                await asyncio.sleep(60)

            def elsewhere():
                def sleep():
                    while True:
                        time.sleep(0.05)
                told = []
                stepwise = flow(name="other thread")(sleep)
                # ipykernel 7.0 shows nothing of a thread without a context.
                call = lambda: told.append(stepwise(return_state=True))
                thread = threading.Thread(
                    target=contextvars.copy_context().run, args=(call,)
                )
                thread.start()
                thread.join()
                return told[0]
        """)
        calls = {
            "sync": "sync(return_state=True)",
            "submitted": "submitted(return_state=True)",
            "async": "await awaits(return_state=True)",
            "other thread": "elsewhere()",
        }
        sent = front_end.send(f"print(({calls[how]}).type)")
        front_end.until(lambda: front_end.graphs)
        assert front_end.graph.run["can"] == ["cancel"]

        asked = time.monotonic()
        front_end.ask(op="cancel", beside=True)
        ran = front_end.wait(sent, timeout=15)

        assert ran.ok, ran.error
        assert time.monotonic() - asked < 8
        assert "StateType.CANCELLED" in ran.stdout or "CANCELLED" in ran.stdout
        assert front_end.graph.run["state"]["type"] == "CANCELLED"

    @pytest.mark.skipif(
        ipykernel.version_info[0] >= 7, reason="ipykernel 7 hears a button while busy"
    )
    def test_where_no_button_is_heard_it_says_what_to_do(self, front_end):
        """A kernel that hears nothing while it is busy offers no Cancel, but advice."""
        sent = front_end.send("flow(name='long')(lambda: [pause(0.5), pause()])()")
        front_end.until(lambda: front_end.graphs)
        run = dict(front_end.graph.run)
        front_end.wait(sent)

        assert run["can"] == []
        assert "interrupt the kernel" in run["hint"]
        assert "hint" not in front_end.graph.run

    def test_retry_goes_on_from_what_was_kept(self, front_end):
        """A run that failed is called once more in its graph: kept results are used."""
        front_end.run("""
            @task(persist_result=True)
            def load():
                print("loading")
                return 1

            @task
            def fragile(rows):
                time.sleep(0.25)
                if not os.path.exists("mended"):
                    raise ValueError("not yet")

            @flow
            def nightly():
                fragile(load())
        """)
        failed = front_end.run("nightly(return_state=True)")
        graph = front_end.graph
        front_end.until(lambda: graph.run["can"] == ["retry"])
        front_end.run("Path('mended').touch()")

        front_end.ask(op="retry")
        front_end.until(lambda: graph.run["state"]["name"] == "Completed")

        assert failed.stdout.count("loading") == 1
        assert len(front_end.graphs) == 1
        assert graph.came.count("snapshot") == 2
        assert graph.states == {"load": "Cached", "fragile": "Completed"}
        front_end.until(
            lambda: "Completed" in only(front_end.displays)[-1]["text/plain"]
        )


class TestCellsAndRuns:
    def test_the_graph_of_the_cell_tasks_follows_them(self, front_end):
        """`%nborch graph` tells which cell tasks are stale as soon as they are."""
        front_end.run("%load_ext nborch")
        front_end.run("%%task load\nx = 3")
        front_end.run("%%task double\ny = x * 2")
        ran = front_end.run("%nborch graph")
        graph = front_end.graph
        before = graph.states

        front_end.run("%%task load\nx = 4")
        front_end.until(lambda: graph.states["double"] == "stale")
        [node] = [each for each in graph.nodes.values() if each["of"] == "double"]
        front_end.run("%%task double\ny = x * 2")
        front_end.until(lambda: graph.states["double"] == "fresh")

        assert is_live(ran.messages[-1][1]["data"])
        assert before == {"load": "fresh", "double": "fresh"}
        assert "x" in node["why"]
        assert graph.nodes[node["id"]]["upstream"] == ["name load"]
        assert ran.result.startswith("flowchart TD")

    def test_a_running_cell_is_seen_to_run(self, front_end):
        """A cell task that runs again is running until it is over."""
        front_end.run("%load_ext nborch")
        cell = "%%task slow --no-cache\nimport time\ntime.sleep(0.4)\nz = 1"
        front_end.run(cell)
        front_end.run("%nborch graph")
        graph = front_end.graph

        sent = front_end.send(cell)
        front_end.until(lambda: graph.states["slow"] == "running")
        front_end.wait(sent)
        front_end.until(lambda: graph.states["slow"] != "running")

        assert graph.states["slow"] == "uncached"

    def test_the_details_of_a_cell(self, front_end):
        """The drawer of a cell task tells its code and its last run."""
        front_end.run("%load_ext nborch")
        front_end.run("%%task load\nx = 3")
        front_end.run("%nborch graph")
        graph = front_end.graph

        front_end.ask(op="detail", id="name load")
        front_end.until(lambda: graph.answers)

        detail = graph.answers[0]["detail"]
        assert detail["code"].startswith("%%task load\nx = 3")
        assert [each["name"] for each in detail["outputs"]] == ["x"]

    def test_a_run_by_its_name(self, front_end):
        """`%nborch graph RUN` and the record of a run show a run that is over."""
        front_end.run("%load_ext nborch")
        front_end.run("flow(name='past')(lambda: [pause(), pause()])()")
        name = front_end.graph.run["name"]

        ran = front_end.run(f"%nborch graph {name}")
        record = front_end.run(f"""
            from nborch.home import current_home
            current_home().store.record({name!r})
        """)
        unknown = front_end.run("%nborch graph nope")

        for shown in (ran, record):
            [data] = [c["data"] for k, c in shown.messages if k == "execute_result"]
            assert is_live(data)
            assert name in data["text/plain"]
        assert front_end.graph.run["name"] == name
        assert len(front_end.graph.nodes) == 2
        assert "No run is called 'nope'" in unknown.error

    def test_a_run_that_goes_on_is_followed(self, front_end):
        """`%nborch graph RUN` shows a run that has not ended, until it has."""
        front_end.run("%load_ext nborch\nos.environ['NBORCH_GRAPH'] = 'off'")
        front_end.run("""
            @flow(flow_run_name="slow-run")
            def slow():
                for _ in range(4):
                    pause(0.3)

            thread = threading.Thread(target=slow)
            thread.start()
            time.sleep(0.1)
        """)

        ran = front_end.run("%nborch graph slow-run")
        graph = front_end.graph
        before = graph.run["state"]["name"]
        front_end.until(lambda: graph.run["state"]["name"] == "Completed")

        assert ran.ok, ran.error
        assert before == "Running"
        assert graph.states == {"pause": "Completed"}
        assert len(graph.nodes) == 4
