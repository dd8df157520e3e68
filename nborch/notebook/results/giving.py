"""``nborch.result``: a cell gives a value to who runs its notebook."""

import sys
import time
from typing import Any

from nborch.cache.base import ResultStore
from nborch.context import current_run
from nborch.events import noted
from nborch.exceptions import InvalidDeclaration, Unsendable
from nborch.notebook.outputs import EVENT_METADATA
from nborch.notebook.results.handles import GIVEN, Given, is_plain
from nborch.notebook.sent import sent_context
from nborch.showing import size
from nborch.view.notices import Notice

__all__ = ["PART", "result"]

#: The one part of a result that was given.
PART = "result"


def result(value: Any, name: str = "default") -> None:
    """Give a value to who runs this notebook, under a name.

    ::

        nborch.result(clean, name="clean")        # in a cell of etl.ipynb
        etl(month=7)["clean"]                     # where etl = notebook_flow(...)

    The value is kept in the result cache, and the notebook shows what it is. Whoever
    ran the notebook gets it by its name, and ``nborch flow-run result RUN NAME``
    later. Of several values with one name the last one counts.

    Nobody runs a notebook in which you work yourself: there, the value is only shown,
    and in a script nothing happens.

    Raises
    ------
    Unsendable
        The value cannot be kept: it is an open file, a lock, a generator.
    """
    if not isinstance(name, str) or not name:
        raise InvalidDeclaration(
            f"nborch.result needs a text as the name of a value, not {name!r}."
        )
    shell = _shell()
    if shell is None:
        return
    # NB. A cell task is kept with what it shows, and may be restored in a notebook
    # flow: then it has to give what it gave here.
    context = current_run.get() or sent_context()
    if context is None:
        _show(value)
        return
    given = _given(value, name, context.home.cache)
    event = noted(context.run.id, time.time(), {GIVEN: {name: given.to_json()}})
    notice = Notice(f"result {name!r}", _about(given, value))
    shell.display_pub.publish(notice.bundle(), {EVENT_METADATA: event.to_json()})


def _shell() -> Any:
    """Return the shell that the cell runs in; None in a script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "display_pub") else None


def _show(value: Any) -> None:
    from IPython.display import display

    display(value)


def _given(value: Any, name: str, cache: ResultStore) -> Given:
    """Keep the value; return its handle."""
    kind = type(value).__qualname__
    if is_plain(value):
        return Given(name, kind, value=(value,))
    reasons: list[str] = []
    entry = cache.keep(
        _key(value), {PART: value}, label=f"result {name!r}", tell=reasons.append
    )
    if entry is not None:
        return Given(name, kind, key=entry.key, size=entry.size)
    _check_storable(value, name)
    reason = reasons[0] if reasons else "the result cache could not be written to"
    return Given(name, kind, reason=reason)


def _key(value: Any) -> str:
    """Return where a value is to lie: equal ones at one place, if that can be told."""
    from nborch.cache.fingerprints import fingerprint
    from nborch.cache.keys import digest
    from nborch.exceptions import Unfingerprintable
    from nborch.runs import new_id

    try:
        told = fingerprint(value)
    except Unfingerprintable:
        told = new_id(time.time())
    return digest("notebook result", told)


def _check_storable(value: Any, name: str) -> None:
    """Raise if it is the value that could not be kept, and not the cache at fault."""
    from nborch.cache.serializers import Unstorable, dump

    try:
        dump(value)
    except Unstorable as problem:
        raise Unsendable(
            f"The result {name!r} cannot be kept: {problem}. Give plain data instead."
        ) from None
    except Exception as problem:
        raise Unsendable(
            f"The result {name!r} cannot be kept: {type(problem).__name__}: {problem}. "
            "Give plain data instead."
        ) from problem


def _about(given: Given, value: Any) -> str:
    shape = getattr(value, "shape", None)
    parts = [given.type]
    if isinstance(shape, tuple) and shape:
        parts[0] += f" {' x '.join(map(str, shape))}"
    elif given.value and not isinstance(value, list | dict):
        parts = [repr(value)]
    elif hasattr(value, "__len__"):
        parts[0] += f" of {len(value)}"
    if given.size:
        parts.append(size(given.size))
    if given.reason:
        parts.append(f"not kept: {given.reason}")
    return ", ".join(parts)
