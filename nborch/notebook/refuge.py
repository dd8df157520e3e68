"""A home for a kernel whose own home cannot be used: its cells run all the same."""

import atexit
import shutil
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from nborch.exceptions import NborchWarning, StoreError
from nborch.home import Home, current_home, open_home

__all__ = ["usable_home"]


def usable_home() -> Home:
    """Return the home, or an empty one that lasts as long as this process.

    A folder that cannot be written to or a damaged run store is no fault of the cell
    that happens to be the first one: it is told in one warning, and the cell runs.
    """
    home = current_home()
    try:
        # What the kernel before this one was doing when it was restarted is over.
        home.reap()
        assert home.process  # noqa: S101  # it is taken now, or it fails now
    except StoreError as error:
        warnings.warn(
            f"{error} Until this kernel is restarted, its runs and results are kept "
            "in a temporary folder.",
            NborchWarning,
            stacklevel=2,
        )
        return _temporary(home)
    return home


def _temporary(home: Home) -> Home:
    folder = Path(tempfile.mkdtemp(prefix="nborch-"))
    settings = replace(
        home.settings, home=folder / "home", secret_file=folder / "secret.key"
    )
    refuge = open_home(settings)

    def remove() -> None:
        refuge.close()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return refuge
