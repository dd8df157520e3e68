"""What a cell once showed, shown again."""

import sys
from copy import copy
from typing import Any

from nborch.notebook.displays.recording import UPDATE, Output
from nborch.notebook.displays.tapping import captured, replaced

__all__ = ["replay"]


def replay(shell: Any, outputs: list[Output], result: Any = None) -> None:
    """Show recorded outputs again, the value of the last expression included.

    Parameters
    ----------
    result
        The value itself, so that ``Out[n]`` and ``_`` have it; if it is not at hand
        they get an object that looks the same.
    """
    last = max(
        (i for i, o in enumerate(outputs) if o["output_type"] == "execute_result"),
        default=-1,
    )
    for number, output in enumerate(outputs):
        kind = output["output_type"]
        if kind == "stream":
            stream = getattr(sys, output["name"])
            stream.write(output["text"])
            stream.flush()
        elif kind in {"display_data", UPDATE}:
            # NB. With the id it had: a handle that the cell made, or a later cell that
            # knows the id, updates this very display.
            known = {k: v for k, v in output.items() if k == "display_id"}
            shell.display_pub.publish(
                copy(output["data"]),
                copy(output["metadata"]),
                transient=known,
                update=kind == UPDATE,
            )
        else:
            # Where a cell shows several values, the last one is at hand.
            _replay_result(shell, output, result if number == last else None)


def _replay_result(shell: Any, output: Output, result: Any) -> None:
    """Send the stored looks of a value through the display hook."""
    hook = shell.displayhook
    value = Shown(output["data"], output["metadata"]) if result is None else result
    looks = (copy(output["data"]), copy(output["metadata"]))
    capturing = captured(shell)
    if capturing is not None:
        capturing.outputs.append(dict(zip(("data", "metadata"), looks, strict=True)))
        return
    with replaced(hook, "compute_format_data", lambda _value: looks):
        hook(value)


class Shown:
    """Stands for a value of an earlier run in ``Out``: it looks the same."""

    def __init__(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self._bundle = (data, metadata)

    def _repr_mimebundle_(self, **_options: Any) -> Any:
        return self._bundle

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"The value that this cell showed was not kept, only its looks: it has no "
            f"{name!r} here. Give the value a name in the cell, or run the cell with "
            "--refresh."
        )

    def __repr__(self) -> str:
        return str(self._bundle[0].get("text/plain", "<shown earlier>"))
