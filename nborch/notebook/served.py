"""A server in a notebook: what is due, goes on and has ended, and how to stop it."""

import time
from typing import Any

from nborch.deploy.serving import Server
from nborch.view.pump import pump

__all__ = ["ServedView"]

#: Seconds between two looks at a server.
LOOK = 1.0


class ServedView:
    """Shows a server for as long as it serves.

    The widgets hold it, by their button, and the pump brings it up to date.
    """

    def __init__(self, server: Server) -> None:
        # Slow to load, and few programs show a widget.
        from ipywidgets import HTML, Button, VBox

        self._server = server
        self._table = HTML(server.card()["text/html"])
        self._button = Button(
            description="Stop",
            tooltip="Take no more runs, and let those that go on end",
        )
        self._button.on_click(self._stop)
        self._widget = VBox([self._table, self._button])
        self._next_look = 0.0
        if self.flush():
            pump.add(self)

    def bundle(self) -> dict[str, Any]:
        """Return what tells a front end to show it."""
        told: dict[str, Any] = self._widget._repr_mimebundle_()
        return {kind: each for kind, each in told.items() if kind != "text/plain"}

    def flush(self) -> bool:
        """Show what has changed; tell whether the server goes on."""
        now, is_over = time.monotonic(), self._server.join(0)
        if is_over or now >= self._next_look:
            self._next_look = now + LOOK
            self._table.value = self._server.card()["text/html"]
            self._button.disabled = not self._server.is_running
        return not is_over

    def _stop(self, _button: object) -> None:
        self._button.disabled = True
        # NB. Runs may go on for a while: who presses it does not wait for them.
        self._server.stop(wait=False)
