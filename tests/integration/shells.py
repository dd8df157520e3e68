"""Notebook shells in this very process, which run thousands of cells a minute."""

import atexit
import gc
import sys
import types
from collections import deque
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nborch.exceptions import NborchWarning
from nborch.notebook.effects.namespace import is_shells
from nborch.notebook.magics import load_ipython_extension
from nborch.view.badge import MIME

__all__ = ["NborchWarning", "Shell", "Shown", "picture"]

#: Looking through a namespace ends here, so that a test fails and does not hang.
MOST_PARTS = 20_000


class Publisher(DisplayPublisher):
    """Notes what is displayed, in order with what is printed."""

    def __init__(self, shown, **options):
        super().__init__(**options)
        self.told = shown

    def publish(self, data, metadata=None, source=None, **options):
        if MIME in data:
            self.told.badge = data[MIME]
            return
        self.told.add("display", data.get("text/plain", ""))

    def clear_output(self, wait=False):  # noqa: FBT002 (IPython's)
        self.told.parts.clear()


class Shown:
    """What one cell showed: its outputs in order, its error and its badge."""

    def __init__(self):
        self.parts = []
        self.badge = None
        self.error = None

    def add(self, kind, text):
        if kind != "display" and self.parts and self.parts[-1][0] == kind:
            text = self.parts.pop()[1] + text
        self.parts.append((kind, text))

    @property
    def outcome(self):
        """The badge's word: ran, cached or uncached; None if it has no badge."""
        return self.badge and self.badge["outcome"]

    def __repr__(self):
        return f"{self.parts} {self.error or ''} {self.badge or ''}"


class Stream(StringIO):
    """A standard stream whose text is noted."""

    def __init__(self, shown, kind):
        super().__init__()
        self.shown, self.kind = shown, kind

    def write(self, text):
        if text:
            self.shown.add(self.kind, text)
        return len(text)


class Shell:
    """An IPython shell with names of its own; with nborch loaded, if asked for."""

    def __init__(self, folder, *, nborch):
        self.shell = None
        self.folder = Path(folder)
        self.nborch = nborch
        self.start()

    def start(self):
        """Begin anew, as a restarted kernel does."""
        self.close()
        config = Config()
        config.HistoryManager.hist_file = ":memory:"
        config.HistoryManager.db_cache_size = 1_000_000  # no thread writes it meanwhile
        InteractiveShell.clear_instance()
        with _main_kept():
            self.shell = InteractiveShell(config=config)
        # It would collect garbage for each of a thousand shells when the tests end.
        atexit.unregister(self.shell.atexit_operations)
        self.shell.display_pub = Publisher(Shown(), shell=self.shell)
        self.shell.showtraceback = lambda *_, **__: None
        self.shell.showsyntaxerror = lambda *_, **__: None
        if self.nborch:
            load_ipython_extension(self.shell)

    @property
    def names(self):
        """The user's names and their values."""
        hidden = self.shell.user_ns_hidden
        return {
            name: value
            for name, value in self.shell.user_ns.items()
            if not is_shells(name) and name not in hidden and name[:2] != "__"
        }

    def __call__(self, source):
        """Run a cell and return what it showed."""
        shown = self.shell.display_pub.told = Shown()
        out, err = Stream(shown, "stdout"), Stream(shown, "stderr")
        InteractiveShell._instance = self.shell
        with redirect_stdout(out), redirect_stderr(err), _main_is(self.shell):
            result = self.shell.run_cell(source, store_history=True)
        error = result.error_in_exec or result.error_before_exec
        if error is not None:
            line = _line(error) - source.startswith("%%task")
            shown.error = f"{type(error).__name__}: {error} (line {line})"
            error.__traceback__ = None
        return shown

    def close(self):
        """End the session."""
        session = getattr(self.shell, "nborch", None)
        if session is not None:
            session.close()
        InteractiveShell.clear_instance()
        InteractiveShell._instance = None
        gc.collect(0)


def _line(error):
    """Return the line of the cell where an error came from."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    line, step = 0, error.__traceback__
    while step is not None:
        if "ipython-input" in step.tb_frame.f_code.co_filename and not line:
            line = step.tb_lineno
        step = step.tb_next
    return line


@contextmanager
def _main_kept():
    main = sys.modules["__main__"]
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _main_is(shell):
    """Let the shell's names be those of ``__main__``, as in a kernel."""
    with _main_kept():
        sys.modules["__main__"] = shell.user_module
        yield


def picture(names):
    """Return the values and who shares what with whom, as comparable plain data.

    It is no work of nborch's, so that both cannot be wrong in the same way.
    """
    return _Painter(names).painted


class _Painter:
    def __init__(self, names):
        self._names = names
        self._seen = {}
        self._held = []
        self._memory = {}
        self.painted = {name: self.look(value, name) for name, value in sorted(names.items())}  # fmt: skip

    def look(self, value, path):  # noqa: C901, PLR0911, PLR0912 (one kind of value each)
        kind = type(value)
        if value is None or kind in (bool, int, str, bytes, float, complex):
            return (kind.__name__, repr(value))
        if id(value) in self._seen:
            return ("same as", self._seen[id(value)])
        if len(self._seen) > MOST_PARTS:
            raise AssertionError("too much to compare")
        if kind is types.ModuleType:
            return ("module", value.__name__)
        if kind not in (tuple, frozenset):
            self._seen[id(value)] = path
        self._held.append(value)
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        if kind.__module__.startswith("pandas") and hasattr(value, "to_dict"):
            return (kind.__name__, value.to_dict(), str(getattr(value, "dtypes", "")), value.attrs)  # fmt: skip
        if isinstance(value, np.random.Generator):
            return ("generator", repr(value.bit_generator.state))
        if isinstance(value, np.generic):
            return (str(value.dtype), repr(value))
        if isinstance(value, dict):
            items = [(self.look(k, path), self.look(v, f"{path}[{k!r}]")) for k, v in value.items()]  # fmt: skip
            return (kind.__name__, items, self._attributes(value, path))
        if isinstance(value, (list, tuple, deque)):
            items = [self.look(v, f"{path}[{n}]") for n, v in enumerate(value)]
            return (kind.__name__, items, self._attributes(value, path))
        if isinstance(value, (set, frozenset)):
            return (kind.__name__, sorted(repr(self.look(v, path)) for v in value))
        if isinstance(value, types.FunctionType):
            return self._function(value, path)
        if isinstance(value, type):
            return self._class(value, path)
        if isinstance(value, types.MethodType):
            parts = (value.__func__, value.__self__)
            return ("method", *(self.look(part, path) for part in parts))
        return (self.look(kind, f"type({path})"), self._attributes(value, path))

    def _attributes(self, value, path):
        own = getattr(value, "__dict__", {})
        return [(name, self.look(v, f"{path}.{name}")) for name, v in own.items()]

    def _array(self, value, path):
        # Whose memory it is does not count, but who else has the same does.
        owner = value
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        start = value.__array_interface__["data"][0]
        whose, first = self._memory.setdefault(id(owner), (path, start))
        self._held.append(owner)
        return ("array", str(value.dtype), repr(value.tolist()), value.strides, whose, start - first)  # fmt: skip

    def _function(self, value, path):
        cells = [c.cell_contents for c in value.__closure__ or ()]
        parts = [value.__defaults__, value.__kwdefaults__, cells, value.__dict__]
        whose = value.__globals__ is sys.modules["__main__"].__dict__
        looks = [self.look(part, f"{path}.parts") for part in parts]
        return ("function", value.__qualname__, value.__module__, value.__code__.co_code, repr(value.__code__.co_names), whose, looks)  # fmt: skip

    def _class(self, value, path):
        if value.__module__ != "__main__":
            return ("class", value.__module__, value.__qualname__)
        own = {n: v for n, v in vars(value).items() if not n.startswith("__") or n == "__init__"}  # fmt: skip
        bases = [self.look(base, f"{path}.base") for base in value.__bases__]
        mine = self._names.get(value.__name__) is value
        return ("class", value.__qualname__, mine, bases, [(n, self.look(v, f"{path}.{n}")) for n, v in own.items()])  # fmt: skip
