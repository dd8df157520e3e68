"""Which control plane is meant: that of this machine, or a server's."""

import os

from nborch.control.base import Control
from nborch.home import current_home

__all__ = ["API_TOKEN", "API_URL", "current_control", "is_remote"]

#: The variable with the address of a server, and the one with its token.
API_URL, API_TOKEN = "NBORCH_API_URL", "NBORCH_API_TOKEN"


def is_remote() -> bool:
    """Tell whether a server is asked, wherever it is."""
    return bool(os.environ.get(API_URL, "").strip())


def current_control() -> Control:
    """Return what sees and changes runs: here, or where ``NBORCH_API_URL`` says.

    The token of that server stands in ``NBORCH_API_TOKEN``, or in the address that
    ``nborch server start`` has printed: ``http://host:4200/login?token=...``.
    """
    if not is_remote():
        # Few programs need it.
        from nborch.control.local import LocalControl

        return LocalControl(current_home())
    from nborch.control.remote import remote_control

    return remote_control(os.environ[API_URL], os.environ.get(API_TOKEN))
