"""A server with pages, and a browser that looks at them: what tests of pages share."""

import time

from seeded import seed
from seeded_runs import STATES, Stories, entered
from serving import Served

from nborch.events import log_written
from nborch.home import open_home
from nborch.runs import RunKind
from nborch.settings import load_settings
from nborch.states import Pending, Running

__all__ = ["PAGES", "Site", "Told", "problems", "until"]

#: An address of each kind of page; what is in braces is filled in by `Site.paths`.
PAGES = (
    "",
    "runs/{live}#graph",
    "runs/{failed}#timeline",
    "runs/{live}#table",
    "runs/{live}#logs",
    "runs/{failed}#notebook",
    "runs/{live}#parameters",
    "runs/{failed}#states",
    "runs/{failed}#artifacts",
    "deployments",
    "deployments/{deployment}",
    "work-pools",
    "work-pools/nightly",
    "concurrency-limits",
    "cache",
    "settings",
    "nowhere",
)

#: What the page has to have been asked not to do, and whether it was drawn too slowly.
WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
window.long = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) {
    window.long.push([Math.round(startTime), Math.round(duration)]);
  }
}).observe({ type: "longtask", buffered: true });
"""


class Site:
    """A home with runs in it, and a server that shows them."""

    def __init__(self, folder, runs=0, tasks=0):
        self.folder = folder / "home"
        environ = {"NBORCH_HOME": str(self.folder)}
        self.home = open_home(load_settings(environ=environ))
        self.made = seed(self.home, runs=runs, tasks=tasks) if runs else None
        self.served = Served(self.folder).start()

    def close(self):
        self.served.kill()
        self.home.close()

    def address(self, path=""):
        """Return the address of a page."""
        return f"{self.served.base}/{path}"

    @property
    def ids(self):
        """What stands in the addresses of pages."""
        made = self.made
        deployment = made.deployments["nightly"].id
        return {"live": made.live, "failed": made.failed, "deployment": deployment}

    def paths(self):
        """Return an address of each kind of page."""
        return [path.format(**self.ids) for path in PAGES]

    def told(self, of="load-orders", **details):
        """Return a run that begins now, and goes on as the test tells it."""
        return Told(self.home, of, details)


class Told:
    """A run in the store, as if a program elsewhere had it."""

    def __init__(self, home, of, details):
        self.home = home
        self.stories = Stories(time.time(), home.process, seed=time.time())
        self.id = self.stories.new_id(time.time())
        at = time.time()
        made = self.stories.made_run(self.id, RunKind.FLOW, of, at, details)
        self.name = made.data["name"]
        begun = entered(self.id, Running(), at + 0.01, 1)
        self.home.store.append([made, entered(self.id, Pending(), at, 0), begun])

    def task(self, of, end="COMPLETED"):
        """Tell of a task run in it; return its id."""
        at, id_ = time.time(), self.stories.new_id(time.time())
        events = self.stories.task(self.id, id_, of, at - 0.5, 0.5, end, [])
        self.home.store.append(list(events))
        return id_

    def log(self, *lines, level="INFO"):
        """Write lines to its log."""
        at = time.time()
        logger = "nborch.flow_runs"
        self.home.store.append(
            [log_written(self.id, at, level, logger, line) for line in lines]
        )

    def end(self, state="COMPLETED"):
        """Have it end."""
        self.home.store.append([entered(self.id, STATES[state], time.time(), 1)])


def problems(page):
    """Return what the policy of the page has refused."""
    return page.evaluate("window.refused")


def until(page, expression, arg=None, seconds=20):
    """Wait until an expression is true in the page.

    Playwright's own way to do that asks the page to run a text, which it refuses.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(25)
