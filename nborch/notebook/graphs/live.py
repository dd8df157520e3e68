"""Live runs: an output that shows a flow run from its beginning to its end."""

import sys
import threading
import time
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Any

from nborch.context import RunContext, current_run, current_transaction
from nborch.notebook.displays.posting import posting
from nborch.notebook.graphs.actions import CANCELLED, Retry
from nborch.notebook.graphs.following import Following
from nborch.notebook.graphs.frames import Frame
from nborch.view.graphs import Message
from nborch.view.kept import KeptGraph
from nborch.view.pump import pump
from nborch.view.standalone import SECONDS, stored
from nborch.view.static import bundle as looks

__all__ = ["LiveRun", "going_on"]

#: Seconds that a run lasts before a widget is made for it.
SOON = 0.2
#: While a run goes on, so many times of what telling of it took pass before it is told
#: of again, if that is more than usual; but not more than so many seconds.
PAUSE, LONGEST_PAUSE = 30, 1.0
#: What the details of its runs may take at the end, of the time that the run took.
SHARE = 0.05
#: With more nodes it is not drawn before the cell is over, if somebody looks on.
FEW = 100
#: Seconds between two pictures, for who reads the notebook while a program runs it.
PICTURE = 1.0
#: So many times of what a picture took pass before the next one is made.
REST = 20


class LiveRun:
    """Shows one flow run, in a picture at first and in a widget if it lasts.

    Parameters
    ----------
    frame
        The output that it fills.
    freezes
        Whether a picture takes the widget's place when the run has ended.
    """

    def __init__(self, frame: Frame, *, freezes: bool = False) -> None:
        self._frame = frame
        self._freezes = freezes
        # NB. Between the run's own thread, the pump's and that of a button.
        self._lock = threading.RLock()
        self._widget: Any = None
        self._takes_widgets = frame.takes_updates and not frame.is_of_program
        self._following: Following | None = None
        self._retry: Retry | None = None
        self._next_picture = self._next_telling = 0.0
        #: The run that has ended, and is still to be drawn.
        self._ended: Following | None = None
        # What is kept of the context lives as long as the widget: not the values of
        # the run that it is made in.
        for variable in (current_run, current_transaction):
            frame.around.run(variable.set, None)

    # From the run's own thread.

    def begin(self, context: RunContext) -> None:
        """Show a run that begins here."""
        with self._lock:
            following = self._following = Following(context)
            self._next_picture = following.began + PICTURE
            if self._widget is not None:
                self._frame.around.run(self._widget.show, following.view)
            elif self._frame.takes_updates:
                self._frame.show(following.announcement)
        pump.add(self)

    def end(self) -> None:
        """Show the run as it has ended."""
        with self._lock:
            following, self._following = self._following, None
            if following is not None:
                self._frame.around.run(self._end, following)

    def _end(self, following: Following) -> None:
        following.end()
        if not self._is_large(following):
            # NB. It may be large nevertheless: nothing was folded yet of a short run.
            self._tell(following)
        if self._is_large(following):
            # A program that runs the notebook may save it as soon as the cell is over;
            # a person wants to go on.
            self._ended = following
            _unfinished.add(self)
            pump.add(self)
        else:
            self._finish(following)

    def _is_large(self, following: Following) -> bool:
        view = following.view
        return self._frame.is_attended and (view.size > FEW or view.is_behind)

    def _finish(self, following: Following) -> None:
        self._tell(following)
        ended = following.view.snapshot()
        if self._freezes:
            self._drop_widget()
        elif self._widget is None and self._is_worth_more(ended):
            self._make_widget(following)
        # What is told of single runs is looked up in the store.
        following.home.recorder.flush()
        kept = following.kept()
        self._frame.show(self._last(ended, kept))
        self._offer(following.retry, kept)

    def _is_worth_more(self, ended: Message) -> bool:
        """Tell whether a run is shown as more than a picture.

        Loading what widgets need takes a moment: not at the end of a short run that
        somebody waits for.
        """
        is_cheap = "anywidget" in sys.modules or not self._frame.is_attended
        return len(ended["nodes"]) > 1 and is_cheap and not self._freezes

    def _last(self, ended: Message, kept: KeptGraph) -> dict[str, Any]:
        """Return the output as it stays."""
        bundle: dict[str, Any] = dict(looks(ended))
        if self._widget is not None:
            self._widget.source = kept
            self._widget.settle()
            return dict(self._widget.stand(bundle, seconds=self._seconds(ended)))
        return stored(bundle, kept) if self._is_worth_more(ended) else bundle

    def _seconds(self, ended: Message) -> float:
        """Return how long the details of runs may be looked up.

        If somebody waits for the cell, it is a small part of what the run took.
        """
        if not (self._frame.is_attended and len(ended["nodes"]) <= FEW):
            return SECONDS
        run = ended["run"]
        took = (run.get("ended") or 0) - (run.get("started") or 0)
        return min(SECONDS, max(0.0, SHARE * took))

    def _drop_widget(self) -> None:
        widget, self._widget = self._widget, None
        if widget is not None:
            widget.close()

    def _offer(self, retry: Retry | None, kept: KeptGraph) -> None:
        """Let who looks at a run that did not complete call it once more.

        What a saved notebook holds offers nothing: its kernel may be gone.
        """
        self._retry = retry
        if retry is not None and self._widget is not None:
            run = {**kept.snapshot()["run"], "can": ["retry"]}
            self._widget.send(kept.changed(run))

    # From the pump's thread.

    def flush(self) -> bool:
        """Show what has changed; tell whether more is to come."""
        with self._lock:
            if self._following is not None:
                self._frame.around.run(self._flush, self._following)
            ended, self._ended = self._ended, None
            if ended is not None:
                _unfinished.discard(self)
                self._frame.around.run(self._finish, ended)
            return self._following is not None

    def _flush(self, following: Following) -> None:
        now = time.monotonic()
        if self._widget is None and now >= following.began + SOON:
            self._make_widget(following)
            if self._widget is not None:
                # A picture can wait: it takes longer to draw, and is soon outdated.
                told, is_one = following.announcement, self._frame.is_one_page
                self._frame.show(self._widget.stand(told, has_view=not is_one))
        following.look()
        if now >= self._next_telling:
            began = time.thread_time()
            self._tell(following)
            pause = PAUSE * (time.thread_time() - began)
            self._next_telling = now + min(pause, LONGEST_PAUSE)
        if self._frame.takes_updates and not self._frame.is_attended:
            self._refresh(following, now)

    def _tell(self, following: Following) -> None:
        """Send what has changed, or take note of it."""
        if self._widget is not None:
            self._widget.flush()
        else:
            following.view.delta()

    def _refresh(self, following: Following, now: float) -> None:
        """Bring the picture up to date, for who reads the file of a run notebook."""
        if now >= self._next_picture:
            self._show(following.view.snapshot())
            took = time.monotonic() - now
            self._next_picture = now + max(PICTURE, REST * took)

    def _make_widget(self, following: Following) -> None:
        """Make the widget, if the packages for it are there."""
        if not self._takes_widgets:
            return
        with suppress(Exception):  # without them, there is the picture
            # Slow to load, and few programs show a widget.
            from nborch.view.widget import RunGraph

            following.estimate()
            self._widget = RunGraph(following.view, self._act)
        self._takes_widgets = self._widget is not None

    def _show(self, snapshot: Message) -> None:
        bundle: dict[str, Any] = dict(looks(snapshot))
        if self._widget is not None:
            bundle = self._widget.stand(bundle)
        self._frame.show(bundle)

    # From the browser.

    def _act(self, op: str) -> str | None:
        """Do what a button asks for; return what is to be told of it."""
        following = self._following
        if op == "cancel" and following is not None and following.stopper is not None:
            following.stopper.ask(CANCELLED)
            return None
        if op == "retry" and following is None and self._retry is not None:
            retry, self._retry = self._retry, None
            retry.start(self._again())
            return None
        return "The run has ended." if following is None else "It goes on already."

    def _again(self) -> Context:
        """Return the context for another run in this very output."""
        around = self._frame.around.copy()
        around.run(going_on.set, self)
        around.run(posting.set, self._frame.post)
        return around


#: Those whose run has ended and is still to be drawn: the pump does not hold them.
_unfinished: set[LiveRun] = set()

#: The graph in which the next flow run appears, if not in one of its own.
going_on: ContextVar[LiveRun | None] = ContextVar("nborch_going_on", default=None)
