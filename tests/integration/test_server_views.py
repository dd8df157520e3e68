"""The views that a server shares among those who look at a run."""

import time

from nborch.events import run_created, state_entered
from nborch.runs import Run, RunKind, new_id
from nborch.server.views import Views
from nborch.states import Completed, Running
from nborch.store.work_rows import moment_of


def test_a_page_that_comes_back_takes_what_a_later_view_tells(home):
    """After a restart all there is counts as newer than any change told before."""
    now = time.time()
    run = Run(new_id(now), RunKind.FLOW, "etl", "lone-wolf", moment_of(now), "q:0:0")
    home.store.append([run_created(run)])
    before = Views(home).get(run.id)
    for n, state in enumerate((Running(), Completed())):
        entered = state_entered(run.id, state.stamped(moment_of(now + n)), 1)
        home.store.append([entered])
        before.catch_up()
        assert before.view.delta() is not None
    time.sleep(0.005)

    after = Views(home).get(run.id)

    assert after.view.snapshot()["seq"] > before.view.snapshot()["seq"]
