"""What cells show, told elsewhere too while they run, as papermill has it."""

import logging
from typing import Any

from nborch.secrets import redacted

__all__ = ["Echo"]

#: papermill's own, which its command line sets up.
_log = logging.getLogger("papermill")


class Echo:
    """Passes on what cells show, to a log and to files.

    Parameters
    ----------
    logs
        Whether prints and values go to papermill's log.
    stdout, stderr
        Open files for what is printed.
    """

    def __init__(
        self, *, logs: bool = False, stdout: Any = None, stderr: Any = None
    ) -> None:
        self._logs = logs
        self._ways = {
            "stdout": (_log.info, stdout),
            "stderr": (_log.warning, stderr),
        }

    def __bool__(self) -> bool:
        """Whether there is anybody to tell."""
        return self._logs or any(file is not None for _, file in self._ways.values())

    def __call__(self, message: dict[str, Any]) -> None:
        """Take in a message of the kernel."""
        content = message["content"]
        if message["msg_type"] == "stream":
            log, file = self._ways[content["name"]]
            text = redacted(content["text"])
            if self._logs:
                log("%s", text)
            if file is not None:
                file.write(text)
                file.flush()
        elif self._logs and message["msg_type"] in {"display_data", "execute_result"}:
            text = content["data"].get("text/plain")
            if text is not None:
                _log.info("%s", redacted("".join(text)))
